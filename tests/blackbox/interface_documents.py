"""What the checks of both documents of the interface (OpenAPI and AsyncAPI) share."""

import copy
import re

import jsonschema

DIALECT = jsonschema.Draft202012Validator


def parts(node, path=()):
    """Every object of a document, with the keys that lead to it."""
    if isinstance(node, dict):
        yield path, node
        for key, value in node.items():
            yield from parts(value, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from parts(value, (*path, index))


def is_instance(path):
    """Whether this is data that a document shows, not a part of it."""
    return any(key in ("example", "payload") and "examples" in path or key == "example" or
               key == "value" and "examples" in path for key in path)


def look_up(document, reference):
    if not reference.startswith("#/"):
        raise AssertionError(f"not in this document: {reference}")
    node = document
    for key in reference[2:].split("/"):
        node = node[key.replace("~1", "/").replace("~0", "~")]
    return node


def resolved(document, node):
    while "$ref" in node:
        node = look_up(document, node["$ref"])
    return node


def closed(document):
    """The same, but objects have no members that are not named: for messages of this version."""
    document = copy.deepcopy(document)
    for path, node in parts(document):
        if node.get("type") == "object" and "properties" in node and not is_instance(path):
            node.setdefault("additionalProperties", False)
    return document


def faults(document, schema, value):
    """What is wrong with a value, as text."""
    whole = {**schema, "components": document["components"]}
    checker = jsonschema.FormatChecker(())
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message}"
            for error in DIALECT(whole, format_checker=checker).iter_errors(value)]


def check_references(case, document):
    """References lead somewhere, and nothing in `components` is left over."""
    used = set()
    for path, node in parts(document):
        if "$ref" in node and not is_instance(path):
            used.add(node["$ref"])
            with case.subTest(reference=node["$ref"], at=path):
                look_up(document, node["$ref"])
    for kind, components in document["components"].items():
        if kind == "securitySchemes":
            continue
        for name in components:
            case.assertIn(f"#/components/{kind}/{name}", used, "nothing refers to it")


def check_schemas(case, document, keys=("schema",)):
    """Each schema is one by the meta schema, and names only members that it describes."""
    schemas = [(path, node) for path, node in parts(document)
               if (path[-1:] and path[-1] in keys or path[:2] == ("components", "schemas")
                   and len(path) == 3) and not is_instance(path)]
    case.assertGreater(len(schemas), 10)
    for path, schema in schemas:
        with case.subTest(schema=path):
            DIALECT.check_schema(schema)
            for _, node in parts(schema):
                if "properties" in node and node.get("type") == "object":
                    case.assertLessEqual(set(node.get("required", ())), set(node["properties"]))
                if "pattern" in node and isinstance(node["pattern"], str):
                    re.compile(node["pattern"])
