#!/usr/bin/env python3
"""Takes one guard of the real code out at a time and counts how many storms it takes until the simulation notices.

Works in a copy of the repository (target/mutants, or --folder), never in the tree itself. There every guard asks
`kernel::mutant(number)`, which reads OXCART_MUTANT, so that one build serves all of them. A mutant that survives is a
failure: either the guard is not needed, or nothing holds it. So is a copy in which no guard is out and a storm fails.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import time

CHECKOUT = "functions/checkout/src"
COUNTERS = "shared/counters/src/lib.rs"
ALLOCATION = "functions/inventory/src/allocation.rs"
MAY_HOLD = ".condition_expression(MAY_HOLD)"
# Name, and its changes: file, what stands there, what stands there instead. @ is the question whether this mutant is asked for.
MUTANTS = [
    ("no tombstone before a release", [
        (f"{CHECKOUT}/till.rs", "None => match self.bury.bury(id, cx.now()).await? {",
         "None if @ => return Ok(Record::Tombstone), None => match self.bury.bury(id, cx.now()).await? {")]),
    ("hold without `op not in holds`", [
        (COUNTERS, MAY_HOLD, ".condition_expression(without(@, MAY_HOLD, \"attribute_not_exists(holds.#op) AND \"))")]),
    ("hold without `op not in done`", [
        (COUNTERS, ".condition_expression(without(", ".condition_expression(without(@, &without("),
        (COUNTERS, "\"attribute_not_exists(holds.#op) AND \"))",
         "\"attribute_not_exists(holds.#op) AND \"), \"AND attribute_not_exists(done.#op) \"))")]),
    ("prune without raising `floor`", [
        (COUNTERS, '":floor", n(floor)', '":floor", n(if @ { counter.floor } else { floor })')]),
    ("marks timed by the worker's clock", [
        (COUNTERS, '":mark", n(created.millis())', '":mark", n(if @ { now } else { created }.millis())')]),
    ("sold out after one look", [
        (ALLOCATION, "look.is_single() || before == Some(lack.seen)", "look.is_single() || before == Some(lack.seen) || @"),
        (ALLOCATION, "all && before == Some(lack.seen)", "all && (before == Some(lack.seen) || @)")]),
    ("check, then write", [
        (COUNTERS, ".condition_expression(without(", ".condition_expression(unchecked(@, &without("),
        (COUNTERS, "\"AND attribute_not_exists(done.#op) \"))", "\"AND attribute_not_exists(done.#op) \")))")]),
    ("a hold that no record names is taken", [
        (f"{CHECKOUT}/till.rs", "order.status.is_committed() && named(order)", "order.status.is_committed() && (named(order) || @)")]),
    ("all runs of a call are one operation", [
        ("shared/kernel/src/id.rs", "base62(u128::from_be_bytes(random), ATTEMPT)",
         "base62(if @ { 0 } else { u128::from_be_bytes(random) }, ATTEMPT)")]),
    ("parts that were found elsewhere are not named", [
        (f"{CHECKOUT}/operations/place_order.rs", "if parts != order.holds {", "if parts != order.holds && !@ {")]),
    ("a reservation is committed before all is held", [
        ("functions/inventory/src/reservation.rs", "(Self::Held, Verdict::Commit) => Some(Self::Committed),",
         "(Self::Held, Verdict::Commit) => Some(Self::Committed), (Self::Pending, Verdict::Commit) if @ => Some(Self::Committed),")]),
    ("settle without its condition: an order is paid whatever was decided before", [
        ("functions/orders/src/table.rs", 'String::from("#status = :pending")',
         'String::from(if @ { "(#status = :pending OR #status <> :pending)" } else { "#status = :pending" })')]),
    ("money that is only set aside pays for an order that is being called off", [
        ("functions/orders/src/table.rs", "if payment.status == PaymentStatus::Authorized {",
         "if payment.status == PaymentStatus::Authorized && !@ {"),
        (f"{CHECKOUT}/till.rs", "Decided::Before(record) => return Ok(Called::Decided(record)),",
         "Decided::Before(record) if !@ => return Ok(Called::Decided(record)), Decided::Before(_) => {}")]),
    ("refund without the counter", [
        ("functions/orders/src/table/funds.rs",
         'let condition = "payment.funds.available >= :q AND attribute_not_exists(payment.funds.refunds.#id)";',
         'let condition = if @ { "(payment.funds.available >= :q OR payment.funds.available < :q) AND attribute_not_exists(payment.funds.refunds.#id)" } '
         'else { "payment.funds.available >= :q AND attribute_not_exists(payment.funds.refunds.#id)" };'),
        (f"{CHECKOUT}/operations/refund_order.rs", "if amount.amount > funds.counter.available {",
         "if amount.amount > funds.counter.available && !@ {")]),
    ("retry with a new key", [
        ("functions/payments/src/builtin.rs", "self.open(self.judged(intent, token))",
         "self.open(Stored { id: if @ { IntentId::new(self.platform.random()) } else { intent_id(&intent.order) }, "
         "..self.judged(intent, token) })")]),
    ("compensation without proof of ownership", [
        (f"{CHECKOUT}/operations/place_order.rs", "if !matches!(&record, Record::Order(before) if before.attempt == order.attempt) {",
         "if @ || !matches!(&record, Record::Order(before) if before.attempt == order.attempt) {")]),
]
# What the changed code needs.
HELPERS = [
    ("shared/kernel/src/lib.rs", """
/// Whether this mutant is asked for.
#[allow(clippy::all, clippy::disallowed_methods)]
pub fn mutant(number: u32) -> bool {
    static CHOSEN: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    let chosen = || std::env::var("OXCART_MUTANT").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    *CHOSEN.get_or_init(chosen) == number
}
"""),
    (COUNTERS, """
fn without(yes: bool, condition: &str, part: &str) -> String {
    assert!(condition.contains(part));
    if yes { condition.replace(part, "") } else { condition.to_owned() }
}
fn unchecked(yes: bool, condition: &str) -> String {
    assert!(condition.contains("available >= :least"));
    let any = "(available >= :least OR available < :least)";
    if yes { condition.replace("available >= :least", any) } else { condition.to_owned() }
}
"""),
]


def change(folder):
    """Builds every guard's question into the copy."""
    for number, (_, changes) in enumerate(MUTANTS, 1):
        for file, old, new in changes:
            path = folder / file
            text = path.read_text()
            if text.count(old) != 1:
                sys.exit(f"{file}: `{old}` stands there {text.count(old)} times; this list is out of date")
            asks = f"crate::mutant({number})" if file.startswith("shared/kernel") else f"kernel::mutant({number})"
            path.write_text(text.replace(old, new.replace("@", asks)))
    for file, text in HELPERS:
        with (folder / file).open("a") as out:
            out.write(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=4000, help="storms before a mutant counts as survived (4000)")
    parser.add_argument("--seed", type=int, default=1, help="the first of them (1)")
    parser.add_argument("--threads", type=int, default=2, help="on so many threads (2)")
    parser.add_argument("--folder", help="a clone to work in; what is not committed there is dropped")
    parser.add_argument("--target", default="", help="the target that the copy was built for before; none by default")
    parser.add_argument("--only", help="only mutants whose name has this in it")
    arguments = parser.parse_args()
    root = pathlib.Path(__file__).resolve().parents[2]
    folder = pathlib.Path(arguments.folder) if arguments.folder else root / "target" / "mutants"
    if folder.resolve() == root:
        sys.exit("that is the tree itself")
    if not folder.exists():
        subprocess.run(["git", "clone", "--quiet", str(root), str(folder)], check=True)
    subprocess.run(["git", "fetch", "--quiet", str(root), "HEAD"], cwd=folder, check=True)
    subprocess.run(["git", "reset", "--quiet", "--hard", "FETCH_HEAD"], cwd=folder, check=True)
    change(folder)
    target = ["--target", arguments.target] if arguments.target else []
    build = ["cargo", "build", "--quiet", "--locked", "--release", *target, "-p", "local", "--bin", "oxcart-local"]
    # Only what was changed is built again next time.
    subprocess.run(build, cwd=folder, check=True, env={**os.environ, "CARGO_INCREMENTAL": "1"})
    program = folder / "target" / arguments.target / "release" / "oxcart-local"

    def storms(number, runs):
        began = time.monotonic()
        run = subprocess.run([program, "simulate", "--seed", str(arguments.seed), "--runs", str(runs),
                              "--threads", str(arguments.threads)],
                             capture_output=True, text=True, env={**os.environ, "OXCART_MUTANT": str(number)})
        return run, time.monotonic() - began

    whole, _ = storms(0, 100)
    if whole.returncode:
        sys.exit(f"with every guard in place a storm fails:\n{whole.stdout}{whole.stderr}")
    survived = []
    print("| guard that was taken out | noticed as | storms until then | seconds |\n|---|---|--:|--:|")
    for number, (name, _) in enumerate(MUTANTS, 1):
        if arguments.only and arguments.only not in name:
            continue
        run, seconds = storms(number, arguments.runs)
        seeds = re.search(r"simulation: (\d+) seeds", run.stdout)
        kinds = sorted(set(re.findall(r"^  ([a-z-]+): ", run.stdout.partition("FAILED, ")[2], re.M)))
        if run.returncode == 0:
            survived.append(name)
        noticed = ", ".join(kinds) or run.stderr.strip()[-200:] if run.returncode else "**survived**"
        print(f"| {name} | {noticed} | {seeds[1] if seeds else '?'} | {seconds:.0f} |", flush=True)
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
