"""The table of a run under attack in its report."""

from mmrec.evaluation.pages.run_attacks import attack_views

ONE = {"folder": "plain", "clean": {"test/ndcg@20": 0.2}, "attacked": {"test/ndcg@20": 0.15}, "n_attacked": 7}


def test_a_run_that_was_not_attacked_has_no_table() -> None:
    assert attack_views(None) == []


def test_runs_with_and_without_a_defence_stand_below_each_other() -> None:
    defended = ONE | {"folder": "robust", "attacked": {"test/ndcg@20": 0.19}}
    entry = {"attack": "pgd", "settings": "steps=20", "metrics": ["test/ndcg@20"], "runs": {"run": ONE, "defended": defended}}
    (view,) = attack_views({"pgd": entry})
    assert (view.title, view.settings) == ("Changed pixels", "pgd: steps=20")
    assert [(row.run, row.clean, row.attacked, row.fall) for row in view.rows] == [
        ("plain, without the defence", 0.2, 0.15, "+25.0%"),
        ("robust, with the defence", 0.2, 0.19, "+5.0%"),
    ]


def test_of_one_run_only_its_folder_is_named_and_a_fall_from_0_is_undefined() -> None:
    nothing = ONE | {"clean": {"test/ndcg@20": 0.0}}
    (view,) = attack_views({"words": {"attack": "words", "settings": "", "metrics": ["test/ndcg@20"], "runs": {"run": nothing}}})
    assert view.rows[0].run == "plain" and view.rows[0].fall == "undefined"
