#!/usr/bin/python3
"""usage: docs_test.py DOXYGEN DOXYFILE XML_DIRECTORY
Doxygen has nothing to complain about in the public headers, and what a reader cannot guess has a
comment: every type, every free function, and every function that takes something or changes
something. Data members, constructors, operators and accessors may speak for themselves."""

import glob
import subprocess
import sys
import xml.etree.ElementTree as ElementTree


def is_documented(node):
    return any("".join(node.find(kind).itertext()).strip()
               for kind in ("briefdescription", "detaileddescription"))


def speaks_for_itself(function, owner):
    name = function.findtext("name")
    if owner.get("kind") in ("class", "struct"):
        short = owner.findtext("compoundname").rsplit("::", 1)[-1].split("<")[0].strip()
        if name.lstrip("~") == short or name.startswith("operator"):
            return True
        accesses = function.get("const") == "yes" and function.get("virt") != "pure-virtual"
        return accesses and function.find("param") is None
    return name.startswith("operator")


def undocumented(directory):
    for path in sorted(glob.glob(f"{directory}/*.xml")):
        for owner in ElementTree.parse(path).getroot().iter("compounddef"):
            kind, name = owner.get("kind"), owner.findtext("compoundname")
            if kind not in ("class", "struct", "namespace") or owner.get("prot") == "private":
                continue
            if name.split("::")[0] != "voicechan":
                continue
            if kind != "namespace" and not is_documented(owner):
                yield f"{kind} {name}"
            for member in owner.iter("memberdef"):
                if member.get("prot") == "private" or is_documented(member):
                    continue
                what = member.get("kind")
                if what in ("enum", "typedef") and kind == "namespace":
                    yield f"{what} {name}::{member.findtext('name')}"
                if what == "function" and not speaks_for_itself(member, owner):
                    yield f"function {name}::{member.findtext('name')}{member.findtext('argsstring')}"


def main():
    doxygen, doxyfile, directory = sys.argv[1:]
    run = subprocess.run([doxygen, doxyfile], stderr=subprocess.PIPE, encoding="utf-8")
    if run.returncode != 0 or run.stderr.strip():
        sys.exit(f"doxygen complains:\n{run.stderr}")
    documented = len(glob.glob(f"{directory}/*.xml"))
    if documented < 40:
        sys.exit(f"only {documented} pages came out")
    missing = list(undocumented(directory))
    if missing:
        sys.exit("without a comment:\n" + "\n".join(missing))


main()
