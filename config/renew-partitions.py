#!/usr/bin/env python3
"""Renews the table of AWS partitions from the data of botocore, which `pip install botocore` installs.

    config/renew-partitions.py            writes partitions.json (the facts) and src/partitions/table.rs beside this script
    config/renew-partitions.py --check    fails if botocore has a partition or region that the table does not have

Fails if a region pattern of botocore is more than a list of prefixes, because src/partitions.rs compares prefixes only.
"""

import importlib.metadata
import json
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
FACTS = HERE / "partitions.json"
TABLE = HERE / "src/partitions/table.rs"


def facts():
    """Returns the facts for the table from the data of botocore."""
    import botocore

    data = pathlib.Path(botocore.__file__).parent / "data"
    partitions = json.loads((data / "partitions.json").read_text())["partitions"]
    endpoints = json.loads((data / "endpoints.json").read_text())["partitions"]
    services = {partition["partition"]: partition["services"] for partition in endpoints}
    found = []
    for partition in partitions:
        name = partition["id"]
        cloudfront = services.get(name, {}).get("cloudfront")
        if cloudfront is not None:
            endpoint = cloudfront["endpoints"][cloudfront["partitionEndpoint"]]
            cloudfront = {"host": endpoint["hostname"], "region": endpoint["credentialScope"]["region"]}
        found.append({
            "name": name,
            "region_regex": partition["regionRegex"],
            "regions": sorted(region for region in partition["regions"] if not region.endswith("-global")),
            "dns_suffix": partition["outputs"]["dnsSuffix"],
            "cloudfront": cloudfront,
        })
    return {"botocore": importlib.metadata.version("botocore"), "partitions": found}


def prefixes(regex):
    """Returns the prefixes of a region pattern such as `^(us|eu)\\-\\w+\\-\\d+$`."""
    whole = re.fullmatch(r"\^(.+)\\-\\w\+\\-\\d\+\$", regex)
    parts = whole and re.fullmatch(r"([a-z-]*)(?:\(([a-z|]+)\))?", whole[1].replace("\\-", "-"))
    if not parts:
        sys.exit(f"expected a region pattern that lists prefixes, found {regex}")
    return [parts[1] + choice for choice in (parts[2] or "").split("|")]


def rust(facts):
    """Returns the table as Rust source code."""
    def texts(items):
        return "&[" + ", ".join(f'"{item}"' for item in items) + "]"

    lines = [
        f"//! The table of partitions, from the data of botocore {facts['botocore']}.",
        "//! Written by `config/renew-partitions.py`; do not edit.",
        "",
        "use super::{GlobalService, Partition};",
        "",
        "pub(super) const PARTITIONS: &[Partition] = &[",
    ]
    for partition in facts["partitions"]:
        cloudfront = "None"
        if partition["cloudfront"]:
            host, region = partition["cloudfront"]["host"], partition["cloudfront"]["region"]
            cloudfront = f'Some(GlobalService {{ host: "{host}", region: "{region}" }})'
        lines += [
            "    Partition {",
            f'        name: "{partition["name"]}",',
            f"        prefixes: {texts(prefixes(partition['region_regex']))},",
            f'        dns_suffix: "{partition["dns_suffix"]}",',
            f"        cloudfront: {cloudfront},",
            "    },",
        ]
    regions = sorted(region for partition in facts["partitions"] for region in partition["regions"])
    every = [prefix for partition in facts["partitions"] for prefix in prefixes(partition["region_regex"])]
    lines += [
        "];",
        "",
        "/// The regions that botocore lists. AWS opens new ones, so other region codes may be valid too.",
        '#[cfg(feature = "load")]',
        "pub(crate) const REGIONS: &[&str] = &[",
        *(f'    "{region}",' for region in regions),
        "];",
        "",
        "/// The regions of all partitions, as a regular expression.",
        '#[cfg(feature = "load")]',
        "pub(crate) const REGION_PATTERN: &str =",
        f'    "^({"|".join(every)})-[a-z]+-[0-9]{{1,2}}$";',
        "",
    ]
    return "\n".join(lines)


def check(new):
    """Yields the differences between the data of botocore and the stored facts."""
    old = {partition["name"]: partition for partition in json.loads(FACTS.read_text())["partitions"]}
    for partition in new["partitions"]:
        known = old.get(partition["name"])
        if known is None:
            yield f"partition {partition['name']} is not in {FACTS.name}"
            continue
        for key in ("region_regex", "dns_suffix", "cloudfront"):
            if known[key] != partition[key]:
                yield f"{key} of {partition['name']}: expected {known[key]}, found {partition[key]}"
        for region in sorted(set(partition["regions"]) - set(known["regions"])):
            yield f"region {region} is not in {FACTS.name}"


if __name__ == "__main__":
    found = facts()
    if sys.argv[1:] == ["--check"]:
        missing = list(check(found))
        if missing:
            sys.exit("\n".join([*missing, "hint: run config/renew-partitions.py"]))
    elif sys.argv[1:]:
        sys.exit(__doc__)
    else:
        FACTS.write_text(json.dumps(found, indent=2) + "\n")
        TABLE.write_text(rust(found))
