//! What can be done with products: create, update, archive. Each is one transaction, guarded by conditions; a repeated
//! command finds its own work done and says so again. The importer of the local shop uses the same functions.

use std::sync::LazyLock;

use kernel::limits::PRODUCT_BYTES;
use kernel::problem::{FieldError, Place, code};
use kernel::shape::Shape;
use kernel::{Problem, ProductId, Sku, Slug, Timestamp};
use serde_json::{Map, Value};

use crate::merge::merge;
use crate::product::{NewProduct, Product, Status};
use crate::table::{ChangeProducts, CreateProducts, Outcome, RowOfFile, Stored, UpsertProducts};

/// How often a change without an expected version is made again because somebody else was faster.
const RACES: usize = 5;

static INPUT: LazyLock<Shape<NewProduct>> = LazyLock::new(|| Shape::new(Place::Body));

/// Creates a product. The same seed means the same command: when it was carried out before with the same fingerprint,
/// the product is answered as it stands now; with another one the answer is `idempotency-key-reused`.
pub async fn create(
    products: &CreateProducts,
    new: NewProduct,
    seed: [u8; 16],
    fingerprint: &str,
    now: Timestamp,
) -> Result<Product, Problem> {
    sound(new.errors())?;
    let id = ProductId::new(seed);
    let mut slugs = new.slugs(&id, None).into_iter().peekable();
    while let Some(slug) = slugs.next() {
        let product = Product::new(id.clone(), slug, new.clone(), now);
        fits(&product)?;
        match products.create(&product, fingerprint).await? {
            Outcome::Written => return Ok(product),
            Outcome::Stands(stored) if stored.kept.created_by == fingerprint => return Ok(stored.product),
            Outcome::Stands(_) => {
                let detail = "the Idempotency-Key belongs to a request with another body";
                return Err(Problem::new(code::KEY_REUSED, detail));
            }
            Outcome::Taken { slug: true, skus } if skus.is_empty() && slugs.peek().is_some() => {}
            other => return Err(refused(&product, other)),
        }
    }
    Err(Problem::internal("a product without a slug to try"))
}

/// Changes a product by a JSON merge patch on [`NewProduct`], when it stands in the expected version (any without one).
pub async fn update(
    products: &ChangeProducts,
    id: &ProductId,
    patch: &Map<String, Value>,
    expected: Option<u64>,
    now: Timestamp,
) -> Result<Product, Problem> {
    for _ in 0..RACES {
        let before = products.load(id).await?.ok_or_else(|| unknown(id))?;
        in_version(&before, expected)?;
        let new = patched(&before.product, patch)?;
        let mut slugs = new.slugs(id, Some(&before.product.slug)).into_iter().peekable();
        while let Some(slug) = slugs.next() {
            let product = before.product.changed(slug, new.clone(), now);
            if product.input() == before.product.input() {
                return Ok(before.product);
            }
            fits(&product)?;
            match products.change(&before, product.clone()).await? {
                Outcome::Written => return Ok(product),
                // Somebody was faster: read again, and with an expected version say which one stands now.
                Outcome::Stands(_) => break,
                Outcome::Taken { slug: true, skus } if skus.is_empty() && slugs.peek().is_some() => {}
                other => return Err(refused(&product, other)),
            }
        }
    }
    Err(Problem::new(code::UNAVAILABLE, "others are changing this product; try again").retry_after(1))
}

/// Takes a product out of sale, when it stands in the expected version (any without one). Of one that is out of sale
/// already nothing changes.
pub async fn archive(
    products: &ChangeProducts,
    id: &ProductId,
    expected: Option<u64>,
    now: Timestamp,
) -> Result<(), Problem> {
    for _ in 0..RACES {
        let before = products.load(id).await?.ok_or_else(|| unknown(id))?;
        if before.product.status == Status::Archived {
            return Ok(());
        }
        in_version(&before, expected)?;
        let archived = NewProduct { status: Status::Archived, ..before.product.input() };
        let product = before.product.changed(before.product.slug.clone(), archived, now);
        match products.change(&before, product.clone()).await? {
            Outcome::Written => return Ok(()),
            Outcome::Stands(_) => {}
            other => return Err(refused(&product, other)),
        }
    }
    Err(Problem::new(code::UNAVAILABLE, "others are changing this product; try again").retry_after(1))
}

/// What became of a product that stands in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is new.
    Created,
    /// It stood otherwise.
    Changed,
    /// It stood like this.
    Same,
}

/// Makes a product be what a row of a file says. A second row of the same file that says something else of the same
/// product is refused, so that taking a file in twice ends as taking it in once. What this row did after `since`, in a run
/// that was killed before it could say so, is told again.
pub async fn put(
    products: &UpsertProducts,
    before: Option<&Stored>,
    new: NewProduct,
    source: &RowOfFile,
    (since, now): (Timestamp, Timestamp),
) -> Result<Put, Problem> {
    sound(new.errors())?;
    let mut before = match before {
        Some(before) => before.clone(),
        None => match create_from(products.create(), &new, source, now).await? {
            None => return Ok(Put::Created),
            Some(standing) => *standing,
        },
    };
    for _ in 0..RACES {
        let id = before.product.id.clone();
        // Without a slug of its own the product keeps its address.
        let slug = new.slug.clone().unwrap_or_else(|| before.product.slug.clone());
        let product = before.product.changed(slug, new.clone(), now);
        if product.input() == before.product.input() {
            let own = before.kept.source.as_ref() == Some(source) && before.product.updated_at > since;
            return Ok(match own {
                true if before.product.created_at > since => Put::Created,
                true => Put::Changed,
                false => Put::Same,
            });
        }
        if let Some(earlier) = &before.kept.source
            && earlier.file == source.file
            && earlier.line != source.line
        {
            let detail = format!("line {} says something else of the same product", earlier.line);
            return Err(Problem::new(code::SLUG_TAKEN, detail));
        }
        fits(&product)?;
        match products.change().change_from(&before, product.clone(), Some(source.clone())).await? {
            Outcome::Written => return Ok(Put::Changed),
            Outcome::Stands(_) => before = products.change().load(&id).await?.ok_or_else(|| unknown(&id))?,
            other => return Err(refused(&product, other)),
        }
    }
    Err(Problem::new(code::UNAVAILABLE, "others are changing this product; try again").retry_after(1))
}

/// Creates what a row of a file says; gives what stands already under the id that it would have.
async fn create_from(
    products: &CreateProducts,
    new: &NewProduct,
    source: &RowOfFile,
    now: Timestamp,
) -> Result<Option<Box<Stored>>, Problem> {
    let first = new.variants.first().map(|variant| variant.sku.as_str());
    let name = new.slug.as_ref().map(Slug::as_str).or(first).unwrap_or_default();
    let id = ProductId::derive(&[b"import", name.as_bytes()]);
    let mut slugs = new.slugs(&id, None).into_iter().peekable();
    while let Some(slug) = slugs.next() {
        let product = Product::new(id.clone(), slug, new.clone(), now);
        fits(&product)?;
        match products.create_from(&product, "import", Some(source.clone())).await? {
            Outcome::Written => return Ok(None),
            Outcome::Stands(stored) => return Ok(Some(stored)),
            Outcome::Taken { slug: true, skus } if skus.is_empty() && slugs.peek().is_some() => {}
            other => return Err(refused(&product, other)),
        }
    }
    Err(Problem::internal("a product without a slug to try"))
}

/// There is no such product.
#[must_use]
pub fn unknown(id: &impl std::fmt::Display) -> Problem {
    Problem::new(code::PRODUCT_NOT_FOUND, format!("there is no product {id}"))
}

/// A problem that tells the present version, unless it is the expected one.
fn in_version(before: &Stored, expected: Option<u64>) -> Result<(), Problem> {
    let present = before.product.version;
    if expected.is_none_or(|version| version == present) {
        return Ok(());
    }
    let detail = format!("the product is in version {present} now");
    Err(Problem::new(code::VERSION_MISMATCH, detail).with("version", present))
}

/// The product's input with the patch applied, checked whole.
fn patched(product: &Product, patch: &Map<String, Value>) -> Result<NewProduct, Problem> {
    let mut input = match serde_json::to_value(product.input()) {
        Ok(Value::Object(input)) => input,
        _ => return Err(Problem::internal("a product that is not a JSON object")),
    };
    merge(&mut input, patch);
    let new = INPUT.read(Value::Object(input)).map_err(Problem::invalid)?;
    sound(new.errors())?;
    Ok(new)
}

fn sound(errors: Vec<FieldError>) -> Result<(), Problem> {
    if errors.is_empty() { Ok(()) } else { Err(Problem::invalid(errors)) }
}

/// A product must fit an item of the table.
fn fits(product: &Product) -> Result<(), Problem> {
    let bytes = serde_json::to_vec(product).map_or(usize::MAX, |json| json.len());
    if bytes <= PRODUCT_BYTES {
        return Ok(());
    }
    let detail = format!("the product has {bytes} bytes; at most {PRODUCT_BYTES} are allowed");
    Err(Problem::new(code::BODY_TOO_LARGE, detail).with("limit", PRODUCT_BYTES))
}

fn refused(product: &Product, outcome: Outcome) -> Problem {
    match outcome {
        Outcome::Gone => unknown(&product.id),
        Outcome::TooLarge => Problem::field("/variants", "changes too many SKUs at once; replace them in two steps"),
        Outcome::Taken { slug, skus } => taken(product, slug, &skus),
        Outcome::Written | Outcome::Stands(_) | Outcome::Lost(_) | Outcome::Refused(_) => {
            Problem::internal("a refusal without a reason")
        }
    }
}

/// Names every slug and SKU that another product has.
fn taken(product: &Product, slug: bool, skus: &[Sku]) -> Problem {
    let error =
        |pointer: String| FieldError { place: Place::Body, pointer, detail: "belongs to another product".into() };
    let index_of = |sku: &Sku| product.variants.iter().position(|variant| variant.sku == *sku).unwrap_or_default();
    let mut errors: Vec<FieldError> =
        skus.iter().map(|sku| error(format!("/variants/{}/sku", index_of(sku)))).collect();
    let mut problem = if skus.is_empty() {
        Problem::new(code::SLUG_TAKEN, format!("another product has the slug {}", product.slug))
    } else {
        let names = skus.iter().map(Sku::as_str).collect::<Vec<_>>().join(", ");
        Problem::new(code::SKU_TAKEN, format!("another product has {names}")).with("skus", skus)
    };
    if slug {
        errors.insert(0, error("/slug".into()));
        problem = problem.with("slug", &product.slug);
    }
    problem.errors = errors;
    problem
}
