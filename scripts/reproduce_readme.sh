#!/usr/bin/env bash
# Makes every table of the README again, from raw files: about four hours on two cores, and it goes on where it was stopped.
#   scripts/reproduce_readme.sh path/to/movielens-1m
# The folder is laid out as the README's "Your own files" describes; without one, the MovieLens-1M tables are left out.
# Runs, leaderboards and the weights of the small CLIP land in runs/readme/.
set -euo pipefail
movielens_1m=${1:-}
runs=runs/readme
train="mmrec train paths.runs=$runs"

pretrain() {  # once: name, overrides
  [ -f "$runs/$1.safetensors" ] || mmrec pretrain "${@:2}" output="$runs/$1.safetensors"
}

$train experiment=demo

columns="board.columns=[recall@20,ndcg@20]"
mmrec leaderboard board=movielens_100k paths.runs=$runs jobs=2 "$columns"

pretrain demo_shop data=demo_shop
for split in "random_ratio n_seeds=1" "cold_item n_seeds=3"; do
  $train -m experiment=demo_shop split=$split image_encoder.pretrained=$runs/demo_shop.safetensors \
    "ablation=[],[no_text],[no_image],[no_kg],[no_collaborative]"
done

if [ -n "$movielens_1m" ]; then
  pretrain movielens_1m data=folder data.path="$movielens_1m"
  weights=image_encoder.pretrained=$runs/movielens_1m.safetensors
  mmrec leaderboard board=movielens_1m paths.runs=$runs jobs=2 "$columns" "board.overrides=[\"data.path='$movielens_1m'\",\"$weights\"]"
  for split in global_time cold_item; do
    $train -m experiment=movielens_1m data.path="$movielens_1m" split=$split trainer.max_epochs=40 $weights \
      "ablation=[],[no_collaborative],[no_text],[no_image],[no_kg]"
  done
fi
