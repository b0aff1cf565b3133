"""Measures what the project promises, against a reference in the same run; see bench/report."""

import sys

import command

sys.exit(command.main(sys.argv[1:]))
