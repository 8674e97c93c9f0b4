//! Products in bulk: imports that tell every bad row, exports, and what staff sees of the catalogue.

use http::Method;
use serde_json::json;

use super::check::{names_fields, problem, same};
use super::{Case, case};
use crate::clock::{Watch, pause};
use crate::http::{Answer, Client};
use crate::shop::{SETTLES, Shop, Wanted, ramp};
use crate::{Outcome, ensure};

pub fn cases() -> Vec<Case> {
    vec![
        case("exchange.a file of JSON lines comes in, and a second time changes nothing", lines),
        case("exchange.a file of Shopify's comes in, and its bad rows are told", shopify),
        case("exchange.a large file is uploaded", uploaded),
        case("exchange.an export is made and can be downloaded", export),
        case("exchange.an import that is none is refused", refused),
        case("exchange.an earlier slug leads to the product", moved),
    ]
}

/// Waits until an import or an export has ended.
async fn ended(shop: &Shop, path: &str) -> Outcome<Answer> {
    let (watch, mut attempt) = (Watch::start(), 0);
    loop {
        let answer = shop.by_staff(Method::GET, path).await?.send().await?.expect(200)?;
        if matches!(answer.text("/status")?, "done" | "failed") {
            return Ok(answer);
        }
        ensure!(watch.elapsed() < SETTLES * 3, "{}", answer.wrong("it does not end"));
        pause(ramp(attempt)).await;
        attempt += 1;
    }
}

async fn import(shop: &Shop, query: &str, file: String) -> Outcome<Answer> {
    let begun = shop.by_staff(Method::POST, format!("/v1/admin/imports?{query}")).await?;
    let begun = begun.raw("text/plain", file).send().await?.expect(202)?;
    ended(shop, &format!("/v1/admin/imports/{}", begun.text("/id")?)).await
}

fn line(sku: &str, slug: &str, stock: u32) -> String {
    let price = json!({ "amount": 900, "currency": "EUR" });
    let variants = json!([{ "sku": sku, "price": price, "stock": stock }]);
    json!({ "slug": slug, "name": slug, "category": "testkit", "variants": variants }).to_string()
}

async fn lines(shop: Shop) -> Outcome {
    let (sku, slug) = (shop.unique("sku"), shop.unique("slug"));
    let file = format!("{}\n{{\n{}\n", line(&sku, &slug, 7), json!({ "name": "" }));
    let report = import(&shop, "format=jsonl", file.clone()).await?;
    same("status", report.text("/status")?, "done")?;
    let counts = |report: &Answer| {
        Ok::<_, crate::Stop>([report.integer("/created")?, report.integer("/unchanged")?, report.integer("/rejected")?])
    };
    ensure!(counts(&report)? == [1, 0, 2], "{}", report.wrong("one is new and two are bad"));
    ensure!(report.at("/rejected_rows/0/line")? == 2, "{}", report.wrong("line 2 is no JSON"));
    let product = shop.client().get(format!("/v1/products/{slug}")).send().await?.expect(200)?;
    let shelves = shop.shelves(&sku).await?;
    ensure!(shelves.iter().map(|shelf| shelf.stock.received).sum::<i64>() == 7, "7 units come with it: {shelves:?}");
    let again = import(&shop, "format=jsonl", file).await?;
    ensure!(counts(&again)? == [0, 1, 2], "{}", again.wrong("nothing is new"));
    let same_version = shop.client().get(format!("/v1/products/{slug}")).send().await?.expect(200)?;
    ensure!(same_version.at("/version")? == product.at("/version")?, "{}", same_version.wrong("nothing changed"));
    Ok(())
}

async fn shopify(shop: Shop) -> Outcome {
    let (handle, other) = (shop.unique("handle"), shop.unique("handle"));
    let (sku, head) = (
        shop.unique("sku"),
        "Handle,Title,Body (HTML),Option1 Name,Option1 Value,Variant SKU,Variant Price,Variant Inventory Qty",
    );
    let file = format!(
        "{head}\n{handle},Shirt,<b>Good</b><script>x</script>,Size,S,{sku}-S,9.90,3\n{handle},,,,M,{sku}-M,10.90,0\n{other},Hat,,,,,free,1\n"
    );
    let report = import(&shop, "format=shopify-csv&currency=USD", file).await?;
    ensure!(
        report.at("/created")? == 1 && report.at("/rejected")? == 1,
        "{}",
        report.wrong("one is good and one is bad")
    );
    same("field", report.text("/rejected_rows/0/field")?, "Variant Price")?;
    let product = shop.client().get(format!("/v1/products/{handle}")).send().await?.expect(200)?;
    same("description", product.text("/description")?, "<b>Good</b>")?;
    ensure!(product.at("/variants/1/price/amount")? == 1090, "{}", product.wrong("M costs 10.90"));
    Ok(())
}

async fn uploaded(shop: Shop) -> Outcome {
    let (sku, slug) = (shop.unique("sku"), shop.unique("slug"));
    let begun = shop.by_staff(Method::POST, "/v1/admin/imports?format=jsonl").await?.send().await?.expect(202)?;
    let then = begun.text("/upload/then")?.to_owned();
    problem(shop.by_staff(Method::POST, &then).await?.send().await?, 409, "file-missing")?;
    let file = line(&sku, &slug, 1);
    let length = u64::try_from(file.len()).unwrap_or_default();
    let status = Client::upload(begun.text("/upload/url")?, length, std::iter::once(Ok(file.into()))).await?;
    ensure!(status == 200, "the upload was answered by {status}");
    shop.by_staff(Method::POST, &then).await?.send().await?.expect(202)?;
    let report = ended(&shop, &format!("/v1/admin/imports/{}", begun.text("/id")?)).await?;
    ensure!(report.at("/created")? == 1, "{}", report.wrong("one product is new"));
    Ok(())
}

async fn export(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(1)).await?;
    let begun = shop.by_staff(Method::POST, "/v1/admin/exports?format=jsonl").await?.send().await?.expect(202)?;
    let done = ended(&shop, &format!("/v1/admin/exports/{}", begun.text("/id")?)).await?;
    same("status", done.text("/status")?, "done")?;
    let url = done.text("/url")?;
    // The address says by itself who may read: it takes no token.
    let at = url.find("://").and_then(|start| url[start + 3..].find('/').map(|end| start + 3 + end));
    let (base, path) = url.split_at(at.unwrap_or(url.len()));
    let file = Client::new(base)?.get(path).send().await?.expect(200)?;
    let text = String::from_utf8_lossy(&file.bytes).into_owned();
    ensure!(text.lines().any(|line| line.contains(&goods.sku)), "the file has the product {}", goods.sku);
    let bare = path.split('?').next().unwrap_or_default();
    Client::new(base)?.get(bare).send().await?.expect(403)?;
    Ok(())
}

async fn refused(shop: Shop) -> Outcome {
    for (query, pointer) in [("", "/format"), ("?format=pdf", "/format"), ("?format=jsonl&map=nonsense", "/map")] {
        let answer = shop.by_staff(Method::POST, format!("/v1/admin/imports{query}")).await?.raw("text/plain", "x");
        names_fields(answer.send().await?, 400, &[pointer])?;
    }
    let report = import(&shop, "format=shopify-csv", "a;b\n1;2\n".into()).await?;
    same("status", report.text("/status")?, "failed")?;
    let missing = shop.by_staff(Method::GET, "/v1/admin/imports/imp_00000000000000").await?.send().await?;
    problem(missing, 404, "import-not-found")?;
    let missing = shop.by_staff(Method::GET, "/v1/admin/exports/exp_00000000000000").await?.send().await?;
    problem(missing, 404, "export-not-found")?;
    let customer = shop.customer().await?;
    let answer = shop.client().post("/v1/admin/imports?format=jsonl").bearer(&customer.access).raw("text/plain", "x");
    answer.send().await?.expect(403)?;
    Ok(())
}

async fn moved(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(1)).await?;
    let slug = shop.unique("moved");
    let change = shop.by_staff(Method::PATCH, format!("/v1/admin/products/{}", goods.id)).await?;
    change.header("if-match", &goods.etag).json(&json!({ "slug": slug })).send().await?.expect(200)?;
    let moved = shop.client().get(format!("/v1/products/{}", goods.slug)).send().await?.expect(301)?;
    same("location", moved.header("location").unwrap_or_default(), &format!("/v1/products/{slug}"))?;
    let archive = shop.by_staff(Method::DELETE, format!("/v1/admin/products/{}", goods.id)).await?;
    archive.send().await?.expect(204)?;
    let seen =
        shop.by_staff(Method::GET, format!("/v1/admin/products/{}", goods.slug)).await?.send().await?.expect(200)?;
    same("status", seen.text("/status")?, "archived")?;
    let listed =
        shop.by_staff(Method::GET, "/v1/admin/products?status=archived&limit=100").await?.send().await?.expect(200)?;
    ensure!(
        listed.list("/items")?.iter().any(|item| item["id"] == goods.id.as_str()),
        "{}",
        listed.wrong("it is listed")
    );
    Ok(())
}
