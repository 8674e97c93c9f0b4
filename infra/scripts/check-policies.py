#!/usr/bin/env python3
"""Fails when any policy has a wildcard in its actions or resources.

    check-policies.py                 the sources: infra/**/*.tf and generated/functions.json
    check-policies.py FILE.json ...   also what Terraform made of them: `terraform show -json` of a plan or of a state

A state holds every policy in full. A plan leaves those open that name a stream, a key or a secret (AWS draws a part of
such an ARN); it is told how many.

Five asterisks are allowed, each exactly as written here, because AWS knows no form without them:

  * the streams of a function's own log group: Lambda names a stream after the day and the sandbox;
  * the resource of a key's own policy, where "*" is the syntax for "this key";
  * a folder of the stage's own bucket of files, for reading and writing objects: S3 has no other name for a folder;
  * the folders of the bucket that the CDN reads files for everybody from, for that one distribution to read;
  * the name of a new search index, which each reindex draws: to make one of this shop's names, and nothing else.
"""

import json
import pathlib
import re
import sys

INFRA = pathlib.Path(__file__).resolve().parent.parent
LOG_STREAMS = re.compile(r"arn:aws[a-z-]*:logs:[a-z0-9-]+:\d{12}:log-group:/aws/lambda/[A-Za-z0-9_-]+:\*")
OBJECTS = re.compile(r"arn:aws[a-z-]*:s3:::oxcart-[a-z0-9-]+-files-\d{12}-[a-z0-9-]+/[a-z]+/\*")
PUBLIC = re.compile(r"arn:aws[a-z-]*:s3:::oxcart-[a-z0-9-]+-public-\d{12}-[a-z0-9-]+/(images|static)/\*")
OBJECT_ACTIONS = {"s3:GetObject", "s3:PutObject"}
LOG_ACTIONS = {"logs:CreateLogStream", "logs:PutLogEvents"}
NEW_INDEX = re.compile(r"arn:aws[a-z-]*:es:[a-z0-9-]+:\d{12}:domain/([a-z0-9-]+)/\1-products-\*")
NEW_INDEX_PATH, NEW_INDEX_ACTIONS = "{prefix}-products-*", {"es:ESHttpPut"}
POLICY_ATTRIBUTES = re.compile(r"policy(_document|_json)?$")
# JSON documents that are called policies and say nothing about rights.
NOT_IAM = {"redrive_policy", "redrive_allow_policy"}


def many(value):
    return value if isinstance(value, list) else [] if value is None else [value]


def wild(text):
    return "*" in text or "?" in text


def check_document(where, resource_type, document):
    """Complaints about one policy document."""
    for statement in many(document.get("Statement")):
        if statement.get("Effect") != "Allow":
            continue
        actions, resources = many(statement.get("Action")), many(statement.get("Resource"))
        for key in ("NotAction", "NotResource", "NotPrincipal"):
            if key in statement:
                yield f"{where}: {key} allows what nobody listed"
        for action in filter(wild, actions):
            yield f"{where}: action {action}"
        for resource in filter(wild, resources):
            own_log = LOG_STREAMS.fullmatch(resource) and set(actions) <= LOG_ACTIONS
            this_key = resource == "*" and resource_type in ("aws_kms_key", "aws_kms_key_policy")
            own_folder = OBJECTS.fullmatch(resource) and set(actions) <= OBJECT_ACTIONS
            public = PUBLIC.fullmatch(resource) and set(actions) == {"s3:GetObject"} and statement.get("Condition")
            new_index = NEW_INDEX.fullmatch(resource) and set(actions) == NEW_INDEX_ACTIONS
            if not own_log and not this_key and not own_folder and not public and not new_index:
                yield f"{where}: resource {resource} for {', '.join(actions)}"
        principal = statement.get("Principal")
        for who in [principal] if isinstance(principal, str) else sum((many(v) for v in (principal or {}).values()), []):
            if wild(who):
                yield f"{where}: principal {who}"
        for operator, keys in (statement.get("Condition") or {}).items():
            for key, values in keys.items():
                for value in many(values):
                    if "arn" in key.lower() and wild(str(value)):
                        yield f"{where}: condition {operator} {key} = {value}"


def resources_of(module):
    yield from module.get("resources", [])
    for child in module.get("child_modules", []):
        yield from resources_of(child)


def check_terraform(path):
    """Complaints about a plan or a state, and how many policies were read and left open."""
    shown = json.loads(pathlib.Path(path).read_text())
    values = shown.get("planned_values") or shown.get("values") or {}
    complaints, read = [], 0
    for resource in resources_of(values.get("root_module", {})):
        if resource.get("mode") == "data":
            continue
        where, attributes = resource["address"], resource.get("values") or {}
        for name, value in attributes.items():
            if not POLICY_ATTRIBUTES.search(name) or name in NOT_IAM:
                continue
            if isinstance(value, str) and value.lstrip().startswith("{"):
                read += 1
                complaints += check_document(where, resource["type"], json.loads(value))
        # A permission is a statement of the function's policy.
        if resource["type"] == "aws_lambda_permission":
            read += 1
            for name in ("action", "principal", "source_arn"):
                if wild(attributes.get(name) or ""):
                    complaints.append(f"{where}: {name} {attributes[name]}")
            if not attributes.get("source_arn") and "planned_values" not in shown:
                complaints.append(f"{where}: no source_arn, so anybody's API may call it")
        if resource["type"] in ("aws_iam_role_policy_attachment", "aws_iam_policy_attachment"):
            complaints.append(f"{where}: an attached policy is somebody else's list; grant by name")
    unknown = sum(
        1
        for change in shown.get("resource_changes", [])
        for name, value in ((change.get("change") or {}).get("after_unknown") or {}).items()
        if value is True and POLICY_ATTRIBUTES.search(name) and name not in NOT_IAM and change.get("mode") != "data"
    )
    return complaints, read, unknown


def check_sources():
    """Complaints about the sources, before Terraform has seen them."""
    complaints, read = [], 0
    registry = INFRA / "generated" / "functions.json"
    if registry.exists():
        for function in json.loads(registry.read_text())["functions"]:
            for grant in function["grants"]:
                read += 1
                if grant["resource"].get("path") == NEW_INDEX_PATH and set(grant["actions"]) == NEW_INDEX_ACTIONS:
                    continue
                for text in grant["actions"] + [str(v) for v in grant["resource"].values()]:
                    if wild(text):
                        complaints.append(f"{registry.name}: {function['name']}: {text}")
    # Line by line, for what Terraform may never reach: an asterisk in an action, in a resource, in an ARN.
    allowed = {
        ("modules/function/main.tf", 'Resource = "${aws_cloudwatch_log_group.this.arn}:*"'),
        ("main.tf", 'Resource = "*"'),
        (
            "modules/cdn/main.tf",
            'Resource = [for folder in local.folders : "${aws_s3_bucket.files.arn}/${folder}/*"]',
        ),
        (
            "grants.tf",
            '{ for name in local.folders : "objects ${name}" => '
            '"arn:${data.aws_partition.current.partition}:s3:::${local.files_bucket}/${name}/*" },',
        ),
    }
    suspicious = [
        re.compile(r'"[a-z0-9-]+:[A-Za-z]*[*?][A-Za-z*?]*"'),
        re.compile(r'\b(resources?|actions?|source_arn|not_?actions?|not_?resources?)"?\s*[=:]\s*[\["].*[*?]"', re.I),
        re.compile(r'arn:[^"]*\*'),
        re.compile(r"(execution_)?arn\}[^\"]*\*"),
        re.compile(r"aws_iam_(role_)?policy_attachment|managed_policy_arns"),
    ]
    for source in sorted(INFRA.rglob("*.tf")):
        if ".terraform" in source.parts:
            continue
        name = source.relative_to(INFRA).as_posix()
        for number, line in enumerate(source.read_text().splitlines(), 1):
            read += 1
            code = line.split("#", 1)[0]
            plain = re.sub(r"\s+", " ", code).strip()
            if any(p.search(code) for p in suspicious) and (name, plain) not in allowed:
                complaints.append(f"{name}:{number}: {plain}")
    return complaints, read


def main():
    complaints, read = check_sources()
    print(f"sources: {read} lines and grants")
    for path in sys.argv[1:]:
        found, policies, unknown = check_terraform(path)
        complaints += found
        print(f"{path}: {policies} policies" + (f", {unknown} not known before an apply" if unknown else ""))
        if policies == 0:
            complaints.append(f"{path}: not one policy in it; is it `terraform show -json`?")
    for complaint in complaints:
        print(f"wildcard: {complaint}", file=sys.stderr)
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()
