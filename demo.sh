#!/bin/sh
# The main job from nothing: render fields, train a small detector, evaluate it on a field it never saw, predict.
set -eu
rm -rf demo
mkdir demo
echo "1/4  rendering 72 small photos of synthetic wheat fields"
spica data render --images 72 --seed 1 --side 384 --out demo/fields
spica data check demo/fields
echo "2/4  training a small detector on six of the seven fields (about two minutes)"
spica train recipes/demo.toml --data demo/fields --out demo/run
echo "3/4  evaluating it on the field that it never saw"
spica evaluate demo/fields --source oblique_green --weights demo/run --out demo/evaluation
echo "4/4  finding the heads on 12 new photos"
spica data render --images 12 --seed 2 --side 384 --out demo/new
spica predict demo/new/train --weights demo/run --out demo/result --submission demo/submission.csv
echo
echo "Look at demo/result/pictures, demo/result/counts.csv, demo/evaluation and demo/run/curves.png."
