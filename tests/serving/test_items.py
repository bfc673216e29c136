"""Items that are put and removed while a service runs: placed by content, listed at once, stored, and there after a restart."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient

import mmrec
from mmrec.experiment.run.item_source import ItemContent
from mmrec.serving.answer import Answer, Wanted
from mmrec.serving.api.app import make_app
from mmrec.serving.events import event_store
from mmrec.serving.refusal import CANNOT_PLACE, INVALID, Refused
from mmrec.serving.service import Service
from tests.serving.made_run import write_run

pytestmark = pytest.mark.slow  # the run is trained first


@pytest.fixture(scope="session")
def run(cold_run: Path) -> mmrec.Run:
    return mmrec.open_run(cold_run)


@pytest.fixture
def service(run: mmrec.Run) -> Service:
    return run.service()


@pytest.fixture
def client(service: Service) -> Iterator[TestClient]:
    with TestClient(make_app(service), raise_server_exceptions=False) as client:
        yield client


def scores(answer: Answer) -> dict[str, float]:
    return {one.item_id: one.score for one in answer.items}


def copied(service: Service, item_id: str, name: str) -> ItemContent:
    """Another item of the same content."""
    model = service.model
    entities = dict(model.restored.evidence.dataset.item_entities.iter_rows())
    row = {column: value for column, value in model.catalogue.row(item_id).items() if column not in ("item_id", "image")}
    return ItemContent(name, row, model.picture(item_id), entity=entities.get(item_id))


def test_an_item_of_equal_content_ranks_beside_a_new_item_of_the_data(service: Service) -> None:
    """Cold items through the service are those of `split=cold_item`: equal content, equal score."""
    train = service.model.restored.spec.train
    is_new = torch.bincount(train.item_idx, minlength=40) == 0
    new = [service.model.catalogue.item_ids[idx] for idx in is_new.nonzero().flatten().tolist()]
    for item_id in new[:2]:
        change = service.put_item(copied(service, item_id, f"copy-of-{item_id}"))
        assert change.is_new and {"text", "image"} & set(change.placed_by)
    for user in ("u1", "u40"):
        seen = service.model.known.seen_by(service.model.known.users[user])
        found = scores(service.recommend(user, Wanted(k=100)))
        for item_id in new[:2]:
            if service.model.catalogue.places[item_id] not in seen:
                assert found[f"copy-of-{item_id}"] == pytest.approx(found[item_id], rel=1e-5)


def test_an_item_is_put_changed_removed_and_there_after_a_restart(run: mmrec.Run, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'events.db'}"
    service = run.service(url)
    lamp = ItemContent("new", {"title": "lamp no 100", "description": "warm light", "genre": "lamp"})
    assert service.put_item(lamp).is_new and not service.put_item(lamp).is_new
    assert "new" in scores(service.recommend("u1", Wanted(k=100))) and "new" in scores(service.search("lamp", Wanted(k=100)))
    assert service.similar("new", "text", Wanted(k=1)).items[0].title.startswith("lamp")
    again = run.service(url)
    assert scores(again.recommend("u1", Wanted(k=100))) == scores(service.recommend("u1", Wanted(k=100)))
    again.delete_item("new")
    assert "new" not in scores(again.recommend("u1", Wanted(k=100)))
    assert service.refresh() and "new" not in scores(service.recommend("u1", Wanted(k=100))) and not service.refresh()
    with pytest.raises(Refused, match="there is no item `new`"):
        service.delete_item("new")
    for one in (service, again):
        one.store.close()


def test_what_cannot_be_placed_changes_nothing(service: Service, tmp_path: Path) -> None:
    for item, kind in ((ItemContent("new", {"titel": "x"}), INVALID), (ItemContent("new"), CANNOT_PLACE)):
        with pytest.raises(Refused) as caught:
            service.put_item(item)
        assert caught.value.kind == kind and not list(service.store.items())
    without_data = mmrec.open_run(write_run(tmp_path / "a")).service()
    with pytest.raises(Refused, match="cannot place new items") as caught:
        without_data.put_item(ItemContent("new", {"title": "x"}))
    assert caught.value.kind == CANNOT_PLACE
    assert without_data.put_item(ItemContent("w", {"title": "another"})).placed_by == ()
    assert without_data.recommend("3", Wanted(k=4)).items[-1].title in ("another", "Y")


def test_a_user_who_is_forgotten_is_unknown(service: Service) -> None:
    assert "popular" not in service.recommend("u1", Wanted()).reason
    service.delete_user("u1")
    assert "popular" in service.recommend("u1", Wanted()).reason


def test_events_change_the_list_as_a_history_does(service: Service, run: mmrec.Run) -> None:
    history = ["i1", "i2", "i3"]
    body = [{"user_id": "somebody", "item_id": item, "timestamp": float(place)} for place, item in enumerate(history)]
    with TestClient(make_app(service)) as client:
        assert client.post("/v1/events", json=body).status_code == 202
        found = client.get("/v1/users/somebody/recommendations", params={"k": 5}).json()["items"]
    wanted = run.recommend(histories=[history], k=5)
    assert [one["item_id"] for one in found] == wanted["item_id"].to_list()
    assert [one["score"] for one in found] == pytest.approx(wanted["score"].to_list(), abs=1e-4)


def test_pictures_are_put_searched_and_shown(client: TestClient, service: Service) -> None:
    raw = service.picture("i1")
    put = client.put("/v1/items/new", json={"fields": {"title": "lamp"}, "picture": base64.b64encode(raw).decode()})
    assert put.status_code == 201 and "image" in put.json()["placed_by"]
    found = client.post("/v1/search", content=raw, headers={"content-type": "image/jpeg"}, params={"k": 100}).json()["items"]
    likeness = {one["item_id"]: one["score"] for one in found}
    assert likeness["i1"] == pytest.approx(1) and likeness["new"] == pytest.approx(1) and "i8" not in likeness and found[0]["image"]
    shown = client.get(found[0]["image"])
    assert shown.headers["content-type"] == "image/jpeg" and Image.open(io.BytesIO(shown.content)).size == (24, 24)
    assert client.get("/v1/items/i8/image").status_code == 404
    for content, kind, status in ((b"no picture", "image/png", 422), (raw, "text/html", 415), (b"", "image/png", 422)):
        assert client.post("/v1/search", content=content, headers={"content-type": kind}).status_code == status
    assert client.put("/v1/items/x", json={"picture": "no base64!"}).status_code == 422
    assert client.delete("/v1/items/new").status_code == 200 and client.delete("/v1/items/new").status_code == 404


def test_pictures_that_were_put_are_read_from_the_store(run: mmrec.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path / 'events.db'}"
    service = run.service(url)
    raw, other = service.picture("i1"), service.picture("i25")
    service.put_item(ItemContent("new", {"title": "lamp"}, raw))
    assert not isinstance(service.model.added["new"].picture, bytes) and service.picture("new") == raw
    wanted = scores(service.recommend("u1", Wanted(k=100)))
    monkeypatch.setattr(event_store, "MAX_PICTURE_BYTES", len(raw))
    with TestClient(make_app(service)) as client:
        full = client.put("/v1/items/more", json={"picture": base64.b64encode(other).decode()})
        assert full.status_code == 409 and full.json()["type"] == "urn:mmrec:problem:store-full"
        assert client.get("/v1/items/new/image").status_code == 200
    again = run.service(url)
    assert scores(again.recommend("u1", Wanted(k=100))) == pytest.approx(wanted, abs=1e-5) and again.picture("new") == raw
    again.delete_item("new")
    assert service.model.picture("new") is None  # removed by another process, not yet known here
    for one in (service, again):
        one.store.close()


def cold_recall(lists: dict[str, list[str]], test: dict[str, set[str]], is_cold: set[str], k: int) -> float:
    """The recall of cold items in lists of cold items, over users who have any."""
    found = []
    for user, positives in test.items():
        wanted, ranked = positives & is_cold, [one for one in lists[user] if one in is_cold]
        if wanted:
            found.append(len(wanted & set(ranked[:k])) / min(k, len(wanted)))
    return sum(found) / len(found)


def test_recall_of_cold_items_over_http_is_that_of_the_run(run: mmrec.Run, service: Service) -> None:
    """All cold items are removed and put again under other ids, by their content alone."""
    split = {part: pl.read_parquet(run.folder / "split" / f"{part}.parquet") for part in ("train", "valid", "test")}
    known = set(split["train"]["item_id"])
    cold = set(service.model.catalogue.item_ids) - known
    test: dict[str, set[str]] = {}
    for user, item in split["test"].select("user_id", "item_id").iter_rows():
        test.setdefault(user, set()).add(item)
    before = pl.concat([split["train"], split["valid"]], how="diagonal")
    seen = {user: set(items) for user, items in before.group_by("user_id").agg("item_id").iter_rows()}
    table = run.recommend(list(test), k=len(service.model.catalogue), exclude_seen=False)
    offline = dict(table.group_by("user_id", maintain_order=True).agg("item_id").iter_rows())
    with TestClient(make_app(service)) as client:
        for item_id in sorted(cold):
            content = copied(service, item_id, f"put {item_id}")
            body = {"fields": content.fields, "entity": content.entity}
            body |= {} if content.picture is None else {"picture": base64.b64encode(content.picture).decode()}
            assert client.put(f"/v1/items/{content.item_id}", json=body).status_code == 201
            assert client.delete(f"/v1/items/{item_id}").status_code == 200
        found = {}
        for user in test:
            items = client.get(f"/v1/users/{user}/recommendations", params={"k": 1000}).json()["items"]
            names = [one["item_id"].removeprefix("put ") for one in items]
            found[user] = [one for one in names if one not in seen.get(user, set())]
    offline = {user: [one for one in items if one not in seen.get(user, set())] for user, items in offline.items()}
    wanted = cold_recall(offline, test, cold, 3)
    assert 0 < wanted < 1 and cold_recall(found, test, cold, 3) == pytest.approx(wanted, abs=1e-9)


def test_words_find_items_and_taste_orders_them(client: TestClient) -> None:
    found = client.get("/v1/search", params={"q": "chair no 25", "k": 40}).json()["items"]
    assert len(found) == 40
    personal = client.get("/v1/search", params={"q": "chair no 25", "k": 40, "user_id": "u1"}).json()
    assert "taste" in personal["reason"] and {one["item_id"] for one in personal["items"]} == {one["item_id"] for one in found}
    assert client.get("/v1/search", params={"q": " "}).status_code == 422
    lamps = client.get("/v1/search", params={"q": "no", "filter": "genre:lamp", "k": 40}).json()["items"]
    assert len(lamps) == 20 and all(one["title"].startswith("lamp") for one in lamps)
