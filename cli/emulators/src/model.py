"""Holds AWS requests against the service models of botocore, for as long as standard input is open.

Reads a line of JSON about each request (`service` as it is signed for, `method`, `target` with the query, `headers`, and the
`length` of the body), then the body. Answers with a line of JSON: a list of what is wrong.

A model says more than botocore checks: unknown and missing members, types, enumerations, bounds of lengths and numbers, and
patterns.
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

# Services by the name that requests are signed for, where botocore calls them otherwise.
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
    """The operation, and its parameters as JSON, which are typed by the model later."""
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
        return named(model, name), json.loads(body or b"{}")
    if protocol == "query":
        form = dict(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True))
        if form.pop("Version", None) != model.metadata["apiVersion"]:
            raise Violation(f"expected the version {model.metadata['apiVersion']}")
        operation = named(model, form.pop("Action", ""))
        return operation, unflattened(operation.input_shape, form)
    return routed(model, request, body, protocol)


def named(model, name):
    if name not in model.operation_names:
        raise Violation(f"there is no operation {name}")
    return model.operation_model(name)


def unflattened(shape, form, prefix=""):
    """Parameters of the query protocol: `Tags.member.1.Key=x`."""
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
        found[member] = value_of(shape.members[member], values, f"{prefix}{head}.")
    return found


def value_of(shape, values, prefix):
    if shape.type_name == "structure":
        return unflattened(shape, values, prefix)
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
        return [value_of(shape.member, items[n], prefix) for n in sorted(items)]
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
    """Each operation, the pattern of its path, and the query that is always there."""
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


def routed(model, request, body, protocol):
    """An operation of a REST protocol: by method and path."""
    path, _, query = request["target"].partition("?")
    query = parse_qsl(query, keep_blank_values=True)
    best = None
    for operation, pattern, names, fixed in routes(model):
        match = operation.http["method"] == request["method"] and pattern.fullmatch(path)
        if match and all(pair in query for pair in fixed):
            # The one with the fewest parts that are variable.
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
                found[name] = simple(member, unquote(labels[wire]))
        elif location == "querystring":
            values = [value for key, value in query if key == wire]
            used.add(wire)
            if values:
                found[name] = [simple(member.member, value) for value in values] if member.type_name == "list" else simple(member, values[-1])
        elif location == "header":
            value = request["headers"].get(wire.lower())
            if value is not None:
                found[name] = simple(member, value)
        elif location is None:
            in_body[wire] = name
    unknown = {key for key, _ in query} - used - {"x-id"}
    if unknown:
        raise Violation(f"there is no parameter {', '.join(sorted(unknown))} of {operation.name}")
    payload = shape and shape.serialization.get("payload")
    if payload:
        kind = members[payload].type_name
        if kind in ("blob", "string"):
            # As JSON carries it.
            found[payload] = base64.b64encode(body).decode() if kind == "blob" else body.decode()
        elif protocol == "rest-json":
            found[payload] = json.loads(body or b"{}")
        else:
            root = ElementTree.fromstring(body)
            expected = members[payload].serialization.get("name", payload)
            if bare(root) != expected:
                raise Violation(f"expected the element {expected}, found {bare(root)}")
            found[payload] = of_xml(members[payload], root, payload)
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


def bare(element):
    """The name of an element without its namespace."""
    return element.tag.rpartition("}")[2]


def of_xml(shape, element, where):
    if shape.type_name == "structure":
        names = {member.serialization.get("name", name): name for name, member in shape.members.items()}
        found = {}
        for child in element:
            name = names.get(bare(child))
            if name is None:
                raise Violation(f"there is no element {bare(child)} in {where}")
            found[name] = of_xml(shape.members[name], child, f"{where}.{name}")
        return found
    if shape.type_name == "list":
        return [of_xml(shape.member, child, where) for child in element]
    return simple(shape, element.text or "")


def simple(shape, text):
    if shape.type_name in ("integer", "long"):
        return int(text)
    if shape.type_name == "boolean":
        return {"true": True, "false": False}.get(text, text)
    return text


def wrong(shape, value, where):
    """What is wrong with a value, by its shape."""
    kind = shape.type_name
    if kind == "structure":
        if not isinstance(value, dict):
            yield f"{where}: expected a structure, found {type(value).__name__}"
            return
        # In the bodies of REST protocols members may have other names.
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
                yield from wrong(shape.members[name], item, f"{where}.{name}")
        return
    if kind in ("list", "map"):
        if not isinstance(value, list if kind == "list" else dict):
            yield f"{where}: expected {kind}, found {type(value).__name__}"
            return
        yield from beyond(shape, len(value), where)
        if kind == "list":
            for n, item in enumerate(value):
                yield from wrong(shape.member, item, f"{where}[{n}]")
        else:
            for key, item in value.items():
                yield from wrong(shape.key, key, f"{where}.{key}")
                yield from wrong(shape.value, item, f"{where}.{key}")
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
        yield from beyond(shape, len(base64.b64decode(value, validate=True)), where)
    elif kind == "string":
        yield from beyond(shape, len(value), where)
        enum = shape.metadata.get("enum")
        if enum and value not in enum:
            yield f"{where}: expected one of {', '.join(enum)}, found {value!r}"
        pattern = shape.metadata.get("pattern")
        if pattern and not matches(pattern, value):
            yield f"{where}: expected the pattern {pattern}, found {value!r}"
    elif kind in ("integer", "long", "float", "double"):
        yield from beyond(shape, value, where)


def matches(pattern, value):
    # Java's names of classes of characters.
    pattern = pattern.replace("\\p{Alnum}", "a-zA-Z0-9").replace("\\p{Graph}", "!-~")
    try:
        return re.fullmatch(pattern, value) is not None
    except re.error:
        return True


def beyond(shape, size, where):
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        yield f"{where}: expected at least {low}, found {size}"
    if high is not None and size > high:
        yield f"{where}: expected at most {high}, found {size}"


def violations(request, body):
    try:
        operation, parameters = operation_of(service_model(request["service"]), request, body)
        found = list(wrong(operation.input_shape, parameters, operation.name)) if operation.input_shape else []
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
