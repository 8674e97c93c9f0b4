"""Writes the demo catalogue: products.jsonl and images/<slug>.svg, both next to this file.

Run from anywhere, with Python 3 and nothing else:

    python3 shared/local/demo/generate.py

The products are in catalogue.py, the drawings in drawings.py. The same input always gives
the same bytes. Everything is built and checked in memory first; when a rule is broken the
script lists what is wrong, writes nothing and exits with status 1. Images of products
that are no longer in the catalogue are removed.
"""

import itertools
import json
import re
import sys
import zlib
import xml.etree.ElementTree as ET
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from catalogue import BRANDS, LOW_STOCK, PRODUCTS  # noqa: E402
from drawings import COLOURS, DRAWINGS, render  # noqa: E402


def slugify(name):
    return re.sub(r"[^a-z0-9]+", "-", name.lower().replace("'", "")).strip("-")


def check_digit(twelve):
    return str(-sum(int(d) * (3 if i % 2 else 1) for i, d in enumerate(twelve)) % 10)


def number(text):
    return {"y": True, "n": False}.get(text, int(text) if re.fullmatch(r"\d+", text) else text.replace("_", " "))


def parse():
    """Yields (product, drawing) for every line of the catalogue."""
    category = None
    for line in PRODUCTS.strip().splitlines():
        line = line.strip()
        if not line:
            continue
        if line.startswith("#"):
            category = line[1:].strip()
            continue
        fields = [f.strip() for f in line.split("|")]
        if len(fields) != 9:
            sys.exit(f"catalogue.py: {len(fields)} fields instead of 9: {line[:70]}")
        name, sku, price, weight, art, tags, attrs, opts, text = fields
        slug = slugify(name)
        shape, *colours = art.split()
        shape, _, v = shape.partition(":")
        attributes = {k: number(x) for k, x in (a.split("=", 1) for a in attrs.split())}
        options, rises = [], []
        for part in filter(None, (o.strip() for o in opts.split(";"))):
            oname, _, values = part.partition(":")
            found = [re.fullmatch(r"([^+@]+)(?:\+(\d+))?(?:@(\d+))?", x.strip()) for x in values.split(",")]
            if None in found:
                sys.exit(f"catalogue.py: bad option in {name}: {part}")
            options.append({"name": oname, "values": [m[1] for m in found]})
            rises.append([(m[1], int(m[2] or 0), int(m[3] or 0)) for m in found])
        if "colour" not in [o["name"] for o in options] and "colour" not in attributes and not colours[0].startswith("~"):
            attributes = {"colour": colours[0], **attributes}
        attributes.pop("colour", None) if attributes.get("colour") == "-" else None
        colours = [x.lstrip("~") for x in colours]
        base, _, was = price.partition("/")
        variants = []
        for combo in itertools.product(*rises):
            vsku = "-".join([sku] + [re.sub(r"[^A-Z0-9]+", "", x[0].upper())[:6] for x in combo])
            seed = zlib.crc32(vsku.encode())
            rise = sum(x[1] for x in combo)
            variant = {"sku": vsku, "options": {o["name"]: x[0] for o, x in zip(options, combo)},
                       "price": {"amount": int(base) + rise, "currency": "EUR"}}
            if was:
                variant["compare_at"] = {"amount": int(was) + rise, "currency": "EUR"}
            variant["weight_grams"] = int(weight) + sum(x[2] for x in combo)
            if seed % 2 == 0:
                digits = f"{20 + seed // 2 % 10}{seed % 10**10:010d}"
                variant["barcode"] = digits + check_digit(digits)
            variant["stock"] = LOW_STOCK.get(vsku, 6 + (seed >> 8) % 240 if seed % 5 else 6 + (seed >> 8) % 495)
            variants.append(variant)
        if len({x["weight_grams"] for x in variants}) == 1:
            attributes["weight_grams"] = int(weight)
        yield ({"slug": slug, "name": name, "description": text, "brand": BRANDS[sku.split("-")[0]], "category": category,
                "tags": tags.split(), "images": [{"url": f"/images/{slug}.svg", "alt": f"Illustration: {name}", "width": 800, "height": 800}],
                "attributes": attributes, "options": options, "variants": variants, "status": "active"}, (shape, colours, int(v or 0)))


def check(products, images):
    bad, slugs, skus, codes, texts = [], set(), set(), set(), set()

    def need(ok, where, rule):
        if not ok:
            bad.append(f"{where}: {rule}")

    for p in products:
        s = p["slug"]
        need(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", s) and len(s) <= 80, s, "slug form")
        need(s not in slugs, s, "slug used twice")
        slugs.add(s)
        need(re.fullmatch(r"[a-z0-9-]+(/[a-z0-9-]+){1,2}", p["category"] or ""), s, f"category {p['category']}")
        need(2 <= len(p["tags"]) <= 6 and len(set(p["tags"])) == len(p["tags"]) and all(re.fullmatch(r"[a-z0-9-]+", t) for t in p["tags"]), s, f"tags {p['tags']}")
        sentences = len(re.findall(r"[.!?](?= [A-Z]|$)", p["description"]))
        need(2 <= sentences <= 4, s, f"{sentences} sentences in the description")
        need(p["description"] not in texts and p["name"] and p["brand"], s, "description used twice, or no name or brand")
        texts.add(p["description"])
        need(p["status"] == "active", s, "status")
        need(p["attributes"] and all(re.fullmatch(r"[a-z][a-z0-9_]*", k) and type(x) in (str, int, bool) and x != "" for k, x in p["attributes"].items()), s, "attributes")
        need(p["images"][0]["url"] == f"/images/{s}.svg" and s in images, s, "image")
        names = [o["name"] for o in p["options"]]
        need((len(p["variants"]) > 1) == bool(names), s, "options if and only if several variants")
        need(len(set(names)) == len(names) and all(len(set(o["values"])) == len(o["values"]) for o in p["options"]), s, "option named or valued twice")
        seen = set()
        for v in p["variants"]:
            w = v["sku"]
            need(re.fullmatch(r"[A-Z0-9-]{1,40}", w), w, "sku form")
            need(w not in skus, w, "sku used twice")
            skus.add(w)
            need(list(v["options"]) == names and all(v["options"][o["name"]] in o["values"] for o in p["options"]), w, "options")
            seen.add(tuple(v["options"].values()))
            a = v["price"]["amount"]
            need(type(a) is int and 250 <= a <= 250000 and v["price"]["currency"] == "EUR", w, f"price {a}")
            if "compare_at" in v:
                need(a < v["compare_at"]["amount"] <= 2 * a and v["compare_at"]["currency"] == "EUR", w, "compare_at")
            need(type(v["weight_grams"]) is int and 5 <= v["weight_grams"] <= 60000, w, "weight")
            if "barcode" in v:
                b = v["barcode"]
                need(re.fullmatch(r"2[0-9]{12}", b) and check_digit(b[:12]) == b[12], w, f"barcode {b}")
                need(b not in codes, w, "barcode used twice")
                codes.add(b)
            need(type(v["stock"]) is int and 0 <= v["stock"] <= 500, w, f"stock {v['stock']}")
        need(len(seen) == len(p["variants"]), s, "two variants with the same options")
    every = [v for p in products for v in p["variants"]]
    tops, leaves = {p["category"].split("/")[0] for p in products}, {p["category"] for p in products}
    reduced = sum("compare_at" in p["variants"][0] for p in products)
    need(len(products) == 200, "set", f"{len(products)} products, not 200")
    need(320 <= len(every) <= 420, "set", f"{len(every)} variants, not 320 to 420")
    need(9 <= len(tops) <= 12 and 30 <= len(leaves) <= 40, "set", f"{len(tops)} top categories, {len(leaves)} leaves")
    need(len(products) / 8 <= reduced <= len(products) / 4.5, "set", f"compare_at on {reduced} products, not one in six")
    need(.4 <= len(codes) / max(1, len(every)) <= .6, "set", f"{len(codes)} barcodes on {len(every)} variants")
    need(3 <= sum(v["stock"] == 0 for v in every) <= 4, "set", "3 or 4 variants must be out of stock")
    need(3 <= sum(1 <= v["stock"] <= 3 for v in every) <= 8, "set", "a few variants must have a stock of 1 to 3")
    need(set(LOW_STOCK) <= skus, "set", f"LOW_STOCK names unknown skus: {sorted(set(LOW_STOCK) - skus)}")
    for s, svg in images.items():
        need(1000 <= len(svg.encode()) <= 3072, s, f"image of {len(svg.encode())} bytes, not 1 to 3 KB")
        root = ET.fromstring(svg)
        need(root.get("viewBox") == "0 0 800 800", s, "viewBox")
        for el in root.iter():
            tag = el.tag.rpartition("}")[2]
            need(tag in ("svg", "title", "rect", "circle", "ellipse", "path", "g"), s, f"element {tag}")
            need(not any("href" in a or a.startswith("on") or a == "style" or "url(" in x for a, x in el.attrib.items()), s, "reference or script in the image")
    if bad:
        sys.exit("The demo catalogue breaks its rules; nothing was written:\n  " + "\n  ".join(bad))
    return len(every), tops, leaves, reduced, len(codes)


def main():
    products, images, shapes = [], {}, set()
    for p, (shape, colours, v) in parse():
        if shape not in DRAWINGS or any(x not in COLOURS for x in colours):
            sys.exit(f"{p['slug']}: unknown drawing or colour: {shape} {colours}")
        shapes.add((shape, v))
        products.append(p)
        images[p["slug"]] = render(p["slug"], p["name"], shape, colours, v)
    variants, tops, leaves, reduced, codes = check(products, images)
    lines = "".join(json.dumps(p, ensure_ascii=False, separators=(",", ":")) + "\n" for p in products)
    (HERE / "products.jsonl").write_bytes(lines.encode())
    folder = HERE / "images"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.svg"):
        if old.stem not in images:
            old.unlink()
    for slug, svg in images.items():
        (folder / f"{slug}.svg").write_bytes(svg.encode())
    size = len(lines.encode()) + sum(len(x.encode()) for x in images.values())
    print(f"{len(products)} products, {variants} variants, {len(tops)} top categories, {len(leaves)} leaves, {reduced} reduced, "
          f"{codes} barcodes, {len({s for s, _ in shapes})} drawings in {len(shapes)} forms, {size} bytes")


if __name__ == "__main__":
    main()
