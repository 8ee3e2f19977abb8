#!/bin/sh
# The main job from nothing, with the core alone: find the heads on photos of fields, and see how many were found.
set -eu
rm -rf demo
mkdir demo
echo "1/3  rendering 14 photos of wheat fields, two of each of seven kinds"
spica data render --images 14 --seed 1 --out demo/fields
echo "2/3  finding their heads with the model that Spica ships, which has only seen real photos"
spica predict demo/fields/train --out demo/result --submission demo/submission.csv
echo "3/3  comparing that with the heads that were rendered"
spica evaluate demo/fields --submission demo/submission.csv
echo
echo "Look at demo/result/pictures and demo/result/counts.csv."
