"""Estimate the half-lives that are planted in generated shops, and those of shops without decay: recovery and coverage over seeds.

    python scripts/planted_half_lives.py --seeds 20

Prints one line for each shop, and at the end how many estimates are within 15% of the truth, how many 95% intervals cover it, and how many
shops without decay are reported as such.
"""

import argparse
import time

import numpy as np
import polars as pl
import torch

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.data.sources.demo_shop.interests import Interests
from mmrec.data.sources.demo_shop.world import VALUES, draw_world, simulate
from mmrec.models.time.half_life import HalfLife
from mmrec.models.time.interest_decay import InterestDecay
from mmrec.types import DatasetSpec, Interactions

PLANTED = (10.0, 25.0)


def shop(seed: int, half_life_days: list[float] | None, n_users: int, n_items: int, n_interactions: int) -> DatasetSpec:
    """Return the interactions of a generated shop, with the users' column `pace` and the items' column `use`."""
    world_rng, log_rng = (np.random.default_rng(stream) for stream in np.random.SeedSequence(seed).spawn(2))
    world = draw_world(n_users, n_items, world_rng)
    use, interests = world.attributes["use"], None
    group = np.zeros(n_users, dtype=np.int64)
    if half_life_days is not None:
        interests = Interests(half_life_days, use, n_users, np.random.default_rng([seed, 1]))
        group = interests.group
    log = simulate(world, n_interactions, log_rng, interests)
    train = Interactions(*(torch.from_numpy(column) for column in (log.user_idx, log.item_idx, log.timestamp)))
    users = pl.DataFrame({"user_id": [str(n) for n in range(n_users)], "pace": [f"pace-{one}" for one in group]})
    items = pl.DataFrame({"item_id": [str(n) for n in range(n_items)], "use": [VALUES["use"][one] for one in use]})
    return DatasetSpec(n_users, n_items, train, user_table=users, item_table=items)


def estimate(spec: DatasetSpec, by: str, column: str | None, seed: int) -> list[HalfLife]:
    """Return the estimates of `time=decay`."""
    decay, empty = InterestDecay(by=by, column=column, similar_by="use", seed=seed), torch.zeros(0, dtype=torch.int64)
    nothing = InteractionMatrix.from_pairs(empty, empty, spec.n_users, spec.n_items)
    decay.fit(spec, EvaluationSet.build(nothing, nothing), 20)
    return decay.table


def main() -> None:
    """Run the simulations."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--users", type=int, default=1800)
    parser.add_argument("--items", type=int, default=600)
    parser.add_argument("--interactions", type=int, default=60_000)
    args = parser.parse_args()
    sizes, near, covered, without = (args.users, args.items, args.interactions), [0, 0], [0, 0], 0
    for seed in range(args.first, args.first + args.seeds):
        start = time.perf_counter()
        of_groups = estimate(shop(seed, list(PLANTED), *sizes), "user_group", "pace", seed)[1:]
        none = estimate(shop(seed, None, *sizes), "global", None, seed)[0]
        for at, (found, truth) in enumerate(zip(of_groups, PLANTED, strict=True)):
            near[at] += abs(found.days / truth - 1) <= 0.15
            covered[at] += found.low <= truth <= found.high
        without += not none.decays
        values = ", ".join(f"{one.days:.1f} ({one.low:.1f} to {one.high:.1f})" for one in of_groups)
        print(f"seed {seed}: {values}; without decay: p = {none.p_value:.2f}; {time.perf_counter() - start:.0f} s", flush=True)
    for at, truth in enumerate(PLANTED):
        print(f"{truth:g} days: within 15% in {near[at]} of {args.seeds}, covered by the interval in {covered[at]} of {args.seeds}")
    print(f"without decay, and reported as such: {without} of {args.seeds}")


if __name__ == "__main__":
    main()
