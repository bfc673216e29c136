#!/usr/bin/env bash
# Makes the tables of docs/results.md and of the README again, from raw files: about eight hours on two cores, and it goes on where it was stopped.
#   scripts/reproduce_readme.sh path/to/movielens-1m
# The folder is laid out as the page docs/your_own_data.md describes; without one, the MovieLens-1M tables are left out.
# Runs, leaderboards and the weights of the small CLIP land in runs/readme/.
set -euo pipefail
movielens_1m=${1:-}
runs=runs/readme
board="mmrec leaderboard paths.runs=$runs jobs=2"
columns="board.columns=[recall@20,ndcg@20]"

pretrain() {  # once: name, overrides
  [ -f "$runs/$1.safetensors" ] || mmrec pretrain "${@:2}" output="$runs/$1.safetensors"
}

mmrec train paths.runs=$runs experiment=demo
$board board=movielens_100k "$columns"
$board board=parts

pretrain demo_shop data=demo_shop
weights=encoders.image.pretrained=$runs/demo_shop.safetensors
$board board=demo_shop "board.splits=[random_ratio,global_time]" "$columns" "board.overrides=[\"$weights\"]"
$board board=demo_shop board.name=demo_shop_new_items board.baselines=default "board.splits=[cold_item]" "$columns" "board.overrides=[\"$weights\"]"
python scripts/shop_oracle.py $runs/leaderboard/demo_shop*/demo_shop/*/fusion/*
$board board=field "$columns" "board.overrides=[\"trainer.max_epochs=300\",\"evaluation.auc=false\",\"$weights\"]"

if [ -n "$movielens_1m" ]; then
  pretrain movielens_1m data=folder data.path="$movielens_1m"
  weights=encoders.image.pretrained=$runs/movielens_1m.safetensors
  shared=("board.seeds=[2026,2027,2028,2029,2030]" "$columns" "board.overrides=[\"data.path='$movielens_1m'\",\"$weights\"]")
  $board board=movielens_1m "board.splits=[global_time]" "${shared[@]}"
  slow='"~baselines.sasrec","~baselines.lightgcn","~baselines.bpr_mf","~baselines.slim"' # blind to new items
  $board board=movielens_1m board.name=movielens_1m_new_items "board.splits=[cold_item]" "board.models.fusion=[$slow,\"baselines.rp3beta.n_trials=6\"]" "${shared[@]}"
fi
