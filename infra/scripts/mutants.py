#!/usr/bin/env python3
"""Breaks one guard of the real code at a time and counts how many storms it takes until the simulation notices.

Works in a copy of the repository (target/mutants, or --folder), never in the tree itself. A mutant that survives is a
failure: either the guard is not needed, or nothing holds it.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import time

CHECKOUT = "functions/checkout/src"
COUNTERS = "shared/counters/src/lib.rs"
# Name, file, what stands there, what stands there instead.
MUTANTS = [
    ("no tombstone before a release", f"{CHECKOUT}/till.rs",
     "None => match self.bury.bury(id, cx.now()).await? {",
     "None => match if cx.now().millis() > 0 { return Ok(Record::Tombstone) } else { self.bury.bury(id, cx.now()).await? } {"),
    ("hold without `op not in holds`", COUNTERS,
     "attribute_not_exists(holds.#op) AND attribute_not_exists(done.#op)", "attribute_not_exists(done.#op)"),
    ("hold without `op not in done`", COUNTERS,
     "attribute_not_exists(holds.#op) AND attribute_not_exists(done.#op)", "attribute_not_exists(holds.#op)"),
    ("prune without raising `floor`", COUNTERS,
     '.expression_attribute_values(":floor", n(floor))', '.expression_attribute_values(":floor", n(counter.floor.min(floor)))'),
    ("marks timed by the worker's clock alone", COUNTERS,
     '":mark", n(created.millis())', '":mark", n(now.millis())'),
    ("sold out after one look", "functions/inventory/src/allocation.rs",
     "look.is_single() || before == Some(lack.seen)", "look.is_single() || before != Some(lack.seen) || before.is_some()"),
    ("check, then write", COUNTERS,
     "available >= :least AND", "(available >= :least OR available < :least) AND"),
    ("a hold that no record names is taken", f"{CHECKOUT}/till.rs",
     "order.status.is_committed() && named", "order.status.is_committed() && (named || !named)"),
    ("all runs of a call are one operation", "shared/kernel/src/id.rs",
     "base62(u128::from_be_bytes(random), ATTEMPT)", "base62(u128::from_be_bytes(random).min(0), ATTEMPT)"),
    ("parts that were found elsewhere are not named", f"{CHECKOUT}/operations/place_order.rs",
     "if parts != order.holds {", "if parts.is_empty() && parts != order.holds {"),
    ("a reservation is committed before all is held", "functions/inventory/src/reservation.rs",
     "(Self::Held, Verdict::Commit) => Some(Self::Committed)",
     "(Self::Held | Self::Pending, Verdict::Commit) => Some(Self::Committed)"),
    ("an order is paid whatever was decided before", "functions/orders/src/table.rs",
     '.condition_expression("#status = :pending")', '.condition_expression("#status = :pending OR #status <> :pending")'),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=4000, help="seeds before a mutant counts as survived")
    parser.add_argument("--folder", help="a clone to work in; its target folder is used")
    parser.add_argument("--only", help="only mutants whose name has this in it")
    arguments = parser.parse_args()
    root = pathlib.Path(__file__).resolve().parents[2]
    folder = pathlib.Path(arguments.folder) if arguments.folder else root / "target" / "mutants"
    if not folder.exists():
        subprocess.run(["git", "clone", "--quiet", str(root), str(folder)], check=True)
    host = re.search(r"host: (\S+)", subprocess.run(["rustc", "-vV"], capture_output=True, text=True).stdout)[1]
    build = ["cargo", "build", "--quiet", "--locked", "--release", "--target", host, "-p", "local", "--bin", "oxcart-local"]
    program = folder / "target" / host / "release" / "oxcart-local"
    survived = []
    print("| guard that was taken out | noticed as | storms until then | seconds |\n|---|---|--:|--:|")
    for name, file, old, new in MUTANTS:
        if arguments.only and arguments.only not in name:
            continue
        path = folder / file
        text = path.read_text()
        if text.count(old) != 1:
            sys.exit(f"{file}: `{old}` stands there {text.count(old)} times; this list is out of date")
        path.write_text(text.replace(old, new))
        try:
            subprocess.run(build, cwd=folder, check=True)
            began = time.monotonic()
            run = subprocess.run([program, "simulate", "--seed", "1", "--runs", str(arguments.runs)],
                                 capture_output=True, text=True)
            seconds = time.monotonic() - began
        finally:
            path.write_text(text)
        seeds = re.search(r"simulation: (\d+) seeds", run.stdout)
        kinds = sorted(set(re.findall(r"^  ([a-z-]+): ", run.stdout, re.M)))
        if run.returncode == 0:
            survived.append(name)
        noticed = ", ".join(kinds) if run.returncode else "**survived**"
        print(f"| {name} | {noticed} | {seeds[1] if seeds else '?'} | {seconds:.0f} |", flush=True)
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
