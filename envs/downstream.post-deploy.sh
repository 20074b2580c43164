#!/bin/sh
# Snakemake runs this in the new environment, from the folder it was started in: the repository. In the environment's file
# a path would be relative to a copy of that file, and would bring in what the other stages need as well.
set -eu
pip install --no-deps --quiet --editable .
