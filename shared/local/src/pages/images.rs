//! The demo catalogue's drawings, which are part of the program, and the icon.

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header};
use include_dir::{Dir, include_dir};
use lambda::Freshness;

use super::{answer, set};

static IMAGES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/demo/images");

/// A cart, drawn.
const ICON: &str = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'><path d='M3 6h4l4 14h13l4-10H9' fill='none' \
                    stroke='#b0661f' stroke-width='2.6' stroke-linejoin='round' stroke-linecap='round'/>\
                    <circle cx='13' cy='26' r='2.4' fill='#b0661f'/><circle cx='22' cy='26' r='2.4' fill='#b0661f'/></svg>";

/// An image by its name; `None` when there is none.
pub(super) fn image(name: &str, headers: &HeaderMap) -> Option<Response<Bytes>> {
    let content = IMAGES.get_file(name)?.contents();
    let tag = format!("\"{}\"", kernel::id::fingerprint(&[content]));
    let seen = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut response = if seen.contains(&tag) {
        answer(StatusCode::NOT_MODIFIED, kind(name), Bytes::new())
    } else {
        answer(StatusCode::OK, kind(name), Bytes::from_static(content))
    };
    set(&mut response, header::ETAG, &tag);
    set(&mut response, header::CACHE_CONTROL, &Freshness::Image.header());
    Some(response)
}

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        _ => "application/octet-stream",
    }
}

/// The icon.
pub(super) fn icon() -> Response<Bytes> {
    let mut response = answer(StatusCode::OK, "image/svg+xml", ICON);
    set(&mut response, header::CACHE_CONTROL, &Freshness::Image.header());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawing_has_a_tag_and_nothing_outside_the_folder_is_served() {
        let name = IMAGES.files().next().unwrap().path().to_str().unwrap();
        let first = image(name, &HeaderMap::new()).unwrap();
        let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone())]);
        assert_eq!(image(name, &headers).unwrap().status(), StatusCode::NOT_MODIFIED);
        assert!(image("../products.jsonl", &HeaderMap::new()).is_none() && image("", &HeaderMap::new()).is_none());
    }
}
