"""Validates AWS requests against the service models of botocore, until standard input is closed.

Reads one line of JSON for each request (`service` from the signature, `method`, `target` with the query, `headers`, and the
`length` of the body), then the body. Writes one line of JSON: the list of violations.

It checks more of a model than botocore does: unknown and missing members, types, enumerations, ranges of lengths and numbers,
and patterns.
"""

import base64
import functools
import json
import re
import sys
from urllib.parse import parse_qsl, unquote
from xml.etree import ElementTree

import botocore.session
from botocore.exceptions import UnknownServiceError
from botocore.model import ServiceModel

# botocore's names of the services whose name in the signature differs.
NAMES = {"apigateway": "apigatewayv2", "tagging": "resourcegroupstaggingapi"}

session = botocore.session.Session()
services = {}


class Violation(Exception):
    pass


def service_model(signing_name):
    name = NAMES.get(signing_name, signing_name)
    if name not in services:
        try:
            data = session.get_component("data_loader").load_service_model(name, "service-2")
        except UnknownServiceError as error:
            raise Violation(f"there is no model of {signing_name}") from error
        services[name] = ServiceModel(data, name)
    return services[name]


def operation_of(model, request, body):
    """Returns the operation, and its parameters as JSON. The parameters are not validated yet."""
    protocol = model.metadata["protocols"][0] if "protocols" in model.metadata else model.metadata["protocol"]
    if protocol in ("json", "smithy-rpc-v2-cbor"):
        target = request["headers"].get("x-amz-target", "")
        prefix, _, name = target.rpartition(".")
        if prefix != model.metadata["targetPrefix"]:
            raise Violation(f"expected the target prefix {model.metadata['targetPrefix']}, found {target}")
        kind = request["headers"].get("content-type", "nothing")
        expected = f"application/x-amz-json-{model.metadata['jsonVersion']}"
        if kind != expected:
            raise Violation(f"expected the content type {expected}, found {kind}")
        return operation_by_name(model, name), json.loads(body or b"{}")
    if protocol == "query":
        form = dict(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True))
        if form.pop("Version", None) != model.metadata["apiVersion"]:
            raise Violation(f"expected the version {model.metadata['apiVersion']}")
        operation = operation_by_name(model, form.pop("Action", ""))
        return operation, parse_form(operation.input_shape, form)
    return rest_operation(model, request, body, protocol)


def operation_by_name(model, name):
    if name not in model.operation_names:
        raise Violation(f"there is no operation {name}")
    return model.operation_model(name)


def parse_form(shape, form, prefix=""):
    """Parses parameters of the query protocol, such as `Tags.member.1.Key=x`, into a structure."""
    if shape is None:
        if form:
            raise Violation(f"expected no parameters, found {sorted(form)}")
        return {}
    below = {}
    for key, value in form.items():
        head, _, rest = key.partition(".")
        below.setdefault(head, {})[rest] = value
    found = {}
    for head, values in below.items():
        member = next((name for name, member in shape.members.items() if member.serialization.get("name", name) == head), None)
        if member is None:
            raise Violation(f"there is no member {prefix}{head}")
        found[member] = parse_form_value(shape.members[member], values, f"{prefix}{head}.")
    return found


def parse_form_value(shape, values, prefix):
    if shape.type_name == "structure":
        return parse_form(shape, values, prefix)
    if shape.type_name == "list":
        if set(values) == {""}:
            return []
        items = {}
        for key, value in values.items():
            parts = key.split(".")
            if not shape.serialization.get("flattened"):
                if parts[0] != shape.member.serialization.get("name", "member"):
                    raise Violation(f"expected {prefix}member.N, found {prefix}{key}")
                parts = parts[1:]
            items.setdefault(int(parts[0]), {})[".".join(parts[1:])] = value
        if sorted(items) != list(range(1, len(items) + 1)):
            raise Violation(f"expected the items of {prefix} from 1 on, found {sorted(items)}")
        return [parse_form_value(shape.member, items[n], prefix) for n in sorted(items)]
    if set(values) != {""}:
        raise Violation(f"expected one value of {prefix}, found {sorted(values)}")
    text = values[""]
    if shape.type_name == "boolean":
        if text not in ("true", "false"):
            raise Violation(f"expected true or false in {prefix}, found {text}")
        return text == "true"
    return int(text) if shape.type_name in ("integer", "long") else text


@functools.cache
def routes(model):
    """Returns each operation with its path pattern, the names of the path variables, and its constant query parameters."""
    found = []
    for name in model.operation_names:
        operation = model.operation_model(name)
        template, _, fixed = operation.http["requestUri"].partition("?")
        names = re.findall(r"\{([\w-]+)\+?\}", template)
        pattern = re.sub(r"\\\{[^}]+\+\\\}", "(.+)", re.escape(template))
        pattern = re.sub(r"\\\{[^}]+\\\}", "([^/]+)", pattern)
        pattern = re.compile(pattern.rstrip("/") + "/?")
        found.append((operation, pattern, names, parse_qsl(fixed, keep_blank_values=True)))
    return found


def rest_operation(model, request, body, protocol):
    """Returns the operation of a REST request, found by method and path, and its parameters."""
    path, _, query = request["target"].partition("?")
    query = parse_qsl(query, keep_blank_values=True)
    best = None
    for operation, pattern, names, fixed in routes(model):
        match = operation.http["method"] == request["method"] and pattern.fullmatch(path)
        if match and all(pair in query for pair in fixed):
            # The most specific pattern wins: the fewest path variables, then the most constant query parameters.
            rank = (len(names), -len(fixed))
            if best is None or rank < best[0]:
                best = (rank, operation, dict(zip(names, match.groups())), fixed)
    if best is None:
        raise Violation(f"there is no operation {request['method']} {path}")
    _, operation, labels, fixed = best
    shape = operation.input_shape
    members = shape.members if shape else {}
    found, used = {}, {key for key, _ in fixed}
    in_body = {}
    for name, member in members.items():
        location = member.serialization.get("location")
        wire = member.serialization.get("name", name)
        if location == "uri":
            if wire in labels:
                found[name] = parse_scalar(member, unquote(labels[wire]))
        elif location == "querystring":
            values = [value for key, value in query if key == wire]
            used.add(wire)
            if values:
                found[name] = [parse_scalar(member.member, value) for value in values] if member.type_name == "list" else parse_scalar(member, values[-1])
        elif location == "header":
            value = request["headers"].get(wire.lower())
            if value is not None:
                found[name] = parse_scalar(member, value)
        elif location is None:
            in_body[wire] = name
    unknown = {key for key, _ in query} - used - {"x-id"}
    if unknown:
        raise Violation(f"there is no parameter {', '.join(sorted(unknown))} of {operation.name}")
    payload = shape and shape.serialization.get("payload")
    if payload:
        kind = members[payload].type_name
        if kind in ("blob", "string"):
            # A blob is validated in base64, as in JSON.
            found[payload] = base64.b64encode(body).decode() if kind == "blob" else body.decode()
        elif protocol == "rest-json":
            found[payload] = json.loads(body or b"{}")
        else:
            root = ElementTree.fromstring(body)
            expected = members[payload].serialization.get("name", payload)
            if local_name(root) != expected:
                raise Violation(f"expected the element {expected}, found {local_name(root)}")
            found[payload] = parse_xml(members[payload], root, payload)
        return operation, found
    if protocol != "rest-json" or not body:
        return operation, found
    if not in_body:
        if body.strip() not in (b"", b"{}"):
            raise Violation(f"expected no body of {operation.name}, found {len(body)} bytes")
        return operation, found
    for wire, value in json.loads(body).items():
        if wire not in in_body:
            raise Violation(f"there is no member {wire} of {operation.name}")
        found[in_body[wire]] = value
    return operation, found


def local_name(element):
    """Returns the name of an element without its namespace."""
    return element.tag.rpartition("}")[2]


def parse_xml(shape, element, where):
    if shape.type_name == "structure":
        names = {member.serialization.get("name", name): name for name, member in shape.members.items()}
        found = {}
        for child in element:
            name = names.get(local_name(child))
            if name is None:
                raise Violation(f"there is no element {local_name(child)} in {where}")
            found[name] = parse_xml(shape.members[name], child, f"{where}.{name}")
        return found
    if shape.type_name == "list":
        return [parse_xml(shape.member, child, where) for child in element]
    return parse_scalar(shape, element.text or "")


def parse_scalar(shape, text):
    if shape.type_name in ("integer", "long"):
        return int(text)
    if shape.type_name == "boolean":
        return {"true": True, "false": False}.get(text, text)
    return text


def value_violations(shape, value, where):
    """Yields the violations of a value against its shape. `where` is the path of the value, for the message."""
    kind = shape.type_name
    if kind == "structure":
        if not isinstance(value, dict):
            yield f"{where}: expected a structure, found {type(value).__name__}"
            return
        # In REST protocols, a member may have another name in the body than in the model.
        by_wire = {member.serialization.get("name", name): name for name, member in shape.members.items()}
        given = {name if name in shape.members else by_wire.get(name, name): item for name, item in value.items()}
        for name in shape.required_members:
            if given.get(name) is None:
                yield f"{where}.{name}: is required"
        if getattr(shape, "is_tagged_union", False) and len(given) != 1:
            yield f"{where}: expected one member of a union, found {sorted(given)}"
        for name, item in given.items():
            if name not in shape.members:
                yield f"{where}.{name}: there is no such member"
            elif item is not None:
                yield from value_violations(shape.members[name], item, f"{where}.{name}")
        return
    if kind in ("list", "map"):
        if not isinstance(value, list if kind == "list" else dict):
            yield f"{where}: expected {kind}, found {type(value).__name__}"
            return
        yield from range_violations(shape, len(value), where)
        if kind == "list":
            for n, item in enumerate(value):
                yield from value_violations(shape.member, item, f"{where}[{n}]")
        else:
            for key, item in value.items():
                yield from value_violations(shape.key, key, f"{where}.{key}")
                yield from value_violations(shape.value, item, f"{where}.{key}")
        return
    types = {
        "string": str,
        "character": str,
        "blob": str,
        "boolean": bool,
        "integer": int,
        "long": int,
        "float": (int, float),
        "double": (int, float),
        "timestamp": (int, float, str),
    }
    expected = types[kind]
    if not isinstance(value, expected) or (isinstance(value, bool) and kind != "boolean"):
        yield f"{where}: expected {kind}, found {value!r}"
    elif kind == "blob":
        yield from range_violations(shape, len(base64.b64decode(value, validate=True)), where)
    elif kind == "string":
        yield from range_violations(shape, len(value), where)
        enum = shape.metadata.get("enum")
        if enum and value not in enum:
            yield f"{where}: expected one of {', '.join(enum)}, found {value!r}"
        pattern = shape.metadata.get("pattern")
        if pattern and not matches(pattern, value):
            yield f"{where}: expected the pattern {pattern}, found {value!r}"
    elif kind in ("integer", "long", "float", "double"):
        yield from range_violations(shape, value, where)


def matches(pattern, value):
    # Replaces character classes that Java supports and Python does not. Ignores patterns that are not valid in Python.
    pattern = pattern.replace("\\p{Alnum}", "a-zA-Z0-9").replace("\\p{Graph}", "!-~")
    try:
        return re.fullmatch(pattern, value) is not None
    except re.error:
        return True


def range_violations(shape, size, where):
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        yield f"{where}: expected at least {low}, found {size}"
    if high is not None and size > high:
        yield f"{where}: expected at most {high}, found {size}"


def violations(request, body):
    try:
        operation, parameters = operation_of(service_model(request["service"]), request, body)
        found = list(value_violations(operation.input_shape, parameters, operation.name)) if operation.input_shape else []
        if operation.deprecated:
            found.append(f"{operation.name} is deprecated")
        return found
    except Violation as violation:
        return [str(violation)]
    except Exception as error:
        return [f"{type(error).__name__}: {error}"]


if __name__ == "__main__":
    while line := sys.stdin.buffer.readline():
        request = json.loads(line)
        body = sys.stdin.buffer.read(request["length"])
        print(json.dumps(violations(request, body)), flush=True)
