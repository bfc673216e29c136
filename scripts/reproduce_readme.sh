#!/usr/bin/env bash
# Makes every table of the README again, from raw files: about two hours on two cores. Run folders land in runs/readme/.
#   scripts/reproduce_readme.sh path/to/movielens-1m
# The folder is laid out as the README's "Your own files" describes; without one, the MovieLens-1M tables are left out.
set -euo pipefail
movielens_1m=${1:-}
weights=$(mktemp -d)
train="mmrec train paths.runs=runs/readme"

$train experiment=demo
$train experiment=demo split=cold_item

mmrec pretrain data=demo_shop output="$weights/demo_shop.safetensors"
for split in "random_ratio n_seeds=1" "cold_item n_seeds=3"; do
  $train -m experiment=demo_shop split=$split image_encoder.pretrained="$weights/demo_shop.safetensors" \
    "ablation=[],[no_text],[no_image],[no_kg],[no_collaborative]"
done

if [ -n "$movielens_1m" ]; then
  mmrec pretrain data=folder data.path="$movielens_1m" output="$weights/movielens_1m.safetensors"
  for split in global_time cold_item; do
    $train -m experiment=movielens_1m data.path="$movielens_1m" split=$split trainer.max_epochs=40 image_encoder.pretrained="$weights/movielens_1m.safetensors" \
      "ablation=[],[no_collaborative],[no_text],[no_image],[no_kg]"
  done
fi
