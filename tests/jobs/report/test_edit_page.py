"""Nodes on a page: keys, votes as the program counts them, reload, download, apply; served, with tokens, tabs and deaths."""

import contextlib
import http.client
import json
import re
import threading

import numpy as np
import pytest

from filterscope import schemas
from filterscope.jobs.cli.main import main
from filterscope.jobs.findings.edit import asked_of
from filterscope.jobs.report.edit import write_edit_page
from filterscope.jobs.report.questions import held_of
from filterscope.jobs.report.serve import HOST, PageServer
from filterscope.operators.localization.measures import normalised_distance
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.localize.retrieved import Retrieved
from filterscope.pipeline.run.folder import RunFolder
from tests import planted
from tests.audits import audit_here
from tests.jobs.report.browsing import Opened, assert_accessible, until_it_says
from tests.jobs.report.test_questions import written
from tests.planted.dots import GRAPH, write_birds

DESKTOP = {"viewport": {"width": 1280, "height": 900}}
ASKED = {"shots": 3, "share": 0.3}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pruned")
    (folder / "data").mkdir()
    write_birds(folder / "data" / "birds", birds=36)
    models = [planted.entry("two_layers")]
    data = folder / "data" / "birds"
    return audit_here(folder / "run", data=data, **{**GRAPH, "models": models, "graph_iterations": 1})


@pytest.fixture
def page(run, tmp_path):
    return write_edit_page(run, "above", tmp_path / "nodes.html", **ASKED)


def count(tab):
    return tab.locator("#count").inner_text()


def press(tab, *keys):
    for key in keys:
        tab.keyboard.press(key)


def error_of(run, removed):
    """Return the error on the annotated crops, as the program finds it, as the page writes it."""
    plan = RunFolder(run).plan()
    asked = asked_of(plan, "above", **ASKED)
    retrieved = Retrieved.of(plan, plan.model(asked.model), asked)
    gone = np.isin(retrieved.names, list(removed))
    places = retrieved.locate_annotated(gone)
    return normalised_distance(places, retrieved.parts.centre[retrieved.annotated], retrieved.extent).mean()


def shown(tab):
    return [float(found) for found in re.findall(r"\.?\d+\.\d+", tab.locator("#error").inner_text())][:2]


def test_nodes_are_decided_undone_reloaded_downloaded_and_applied(browser, run, page, tmp_path, capsys):
    opened = Opened(browser, page.parent.as_uri(), **DESKTOP)
    tab = opened.goto(page.name)
    nodes = [one["key"] for one in held_of(page)["questions"]]
    assert tab.locator("#title").inner_text() == "Does this node find the above?"
    before = error_of(run, [])
    assert shown(tab) == pytest.approx([before, before], abs=6e-5)
    press(tab, "r", "k", "u", "z", "r")
    removed = {nodes[0], nodes[2]}
    assert shown(tab) == pytest.approx([error_of(run, removed), before], abs=6e-5)
    tab.wait_for_timeout(500)
    tab.reload()
    assert count(tab) == f"3 of {len(nodes)} answered: keep 1, remove 2, unsure 0"
    assert shown(tab) == pytest.approx([error_of(run, removed), before], abs=6e-5)
    press(tab, *"u" * (len(nodes) - 3))
    with tab.expect_download() as loading:
        tab.locator("#download").click()
    assert loading.value.suggested_filename == "edits.json"
    loading.value.save_as(tmp_path / "edits.json")
    stated = json.loads((tmp_path / "edits.json").read_text())
    assert {one["node"] for one in stated["decisions"] if one["decision"] == "remove"} == removed
    assert [one["node"] for one in stated["decisions"]] == nodes
    opened.assert_quiet()
    tab.context.close()
    with pytest.raises(SystemExit) as end:
        main(["apply", str(run), str(tmp_path / "edits.json")])
    assert end.value.code == 0
    assert "2 of" in capsys.readouterr().out
    kept = schemas.scan_edit_decisions(run).collect()
    assert set(kept.filter(decision="remove")["node"]) == removed
    assert schemas.scan_edited_localization(run).filter(method="after").collect()["decisions"].max() == len(nodes)


def test_the_page_of_all_nodes_removed_puts_the_part_where_templates_had_it(browser, run, page):
    opened = Opened(browser, page.parent.as_uri(), **DESKTOP)
    tab = opened.goto(page.name)
    nodes = [one["key"] for one in held_of(page)["questions"]]
    press(tab, *"r" * len(nodes))
    assert shown(tab)[0] == pytest.approx(error_of(run, nodes), abs=6e-5)
    tab.context.close()


def test_no_held_out_crop_is_on_the_page(run):
    plan = RunFolder(run).plan()
    asked = asked_of(plan, "above", **ASKED)
    from filterscope.jobs.report.edit import _Pictures

    retrieved = Retrieved.of(plan, plan.model(asked.model), asked)
    used = sorted(_Pictures(plan, plan.model(asked.model), retrieved).pixels)
    assert used
    assert not retrieved.parts.views.heldout[used].any()


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), pytest.param("dark", 1280, marks=pytest.mark.slow)])
def test_the_page_is_accessible_and_fits(browser, page, scheme, width):
    assert_accessible(browser, page.parent, page.name, scheme, width, before=lambda tab: press(tab, "r"))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"part": "wheel"}, "no crop has it"),
        ({"part": "above", "share": 0}, "--share 0"),
        ({"part": "above", "share": float("nan")}, "--share nan"),
        ({"part": "above", "shots": 0}, "--shots 0"),
        ({"part": "above", "layers": "9"}, "--layers 9"),
        ({"part": "above", "model": "m"}, "--model m"),
        ({"part": "above", "page": "notes.txt"}, "a page is an HTML file"),
    ],
)
def test_a_page_that_cannot_be_written_is_refused(run, tmp_path, asked, words):
    asked = {**asked, "page": tmp_path / asked.get("page", "p.html")}
    with pytest.raises(InputError, match=words):
        write_edit_page(run, **asked)
    assert list(tmp_path.iterdir()) == []


@contextlib.contextmanager
def served(run, port=0):
    """Serve the pages of a folder as a process would that is killed at the end."""
    with PageServer(run, port) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def folder(tmp_path):
    """A run folder with a page of four questions."""
    (tmp_path / "run" / "pages").mkdir(parents=True)
    (tmp_path / "run" / "run.toml").write_text("")
    written(tmp_path / "run" / "pages")
    return tmp_path / "run"


def asked(server, method="GET", path="/", body=None, **headers):
    connection = http.client.HTTPConnection(HOST, server.server_port, timeout=10)
    connection.request(method, path, body, headers)
    reply = connection.getresponse()
    found = reply.status, reply.read().decode(), dict(reply.getheaders())
    connection.close()
    return found


def cookie(server):
    return "=".join(server.cookie)


def item(answer, at=1.0):
    return {"answer": answer, "at": at, "seconds": 1}


def post(server, items, subject="s", path="/questions.html", **headers):
    body = json.dumps({"subject": subject, "items": items})
    return asked(server, "POST", path, body, **{"Cookie": cookie(server), **headers})


def test_only_who_holds_the_token_is_served_and_only_once(folder):
    with served(folder) as server:
        assert server.server_address[0] == "127.0.0.1"
        token = server.address.partition("/?")[2]
        for path in (
            "/",
            "/?token=",
            "/?token=wrong",
            f"/{token}",
            f"/questions.html?{token}x",
            "/questions.html",
            "/none",
        ):
            assert asked(server, path=path)[0] == 403
        status, _, headers = asked(server, path=f"/?{token}")
        assert (status, headers["Location"]) == (303, "/")
        assert "HttpOnly; SameSite=Strict" in headers["Set-Cookie"]
        assert asked(server, path=f"/?{token}")[0] == 403
        assert asked(server, path=f"/?{token}", Cookie=cookie(server))[0] == 303
        assert asked(server, path="/questions.html", Cookie=headers["Set-Cookie"].partition(";")[0])[0] == 200
        for wrong in ("", "a=b", f"{server.cookie[0]}=wrong", f"{server.cookie[0]}=\u00e9", ";;=;"):
            assert asked(server, path="/questions.html", Cookie=wrong.encode("latin-1"))[0] == 403
            assert asked(server, "POST", "/questions.html", "{}", Cookie=wrong.encode("latin-1"))[0] == 403
        for other in ("evil.example", f"evil.example:{server.server_port}", "127.0.0.1"):
            assert asked(server, path="/questions.html", Host=other, Cookie=cookie(server))[0] == 403
        assert post(server, {"0": item("right")}, Origin="http://evil.example")[0] == 403
        for path in ("/../run.toml", "/%2e%2e/run.toml", "/questions.answers.json", "//etc/passwd", "/..%2frun.toml"):
            assert asked(server, path=path, Cookie=cookie(server))[0] == 404
    assert not (folder / "pages" / "questions.answers.json").exists()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("{", 400),
        ("[" * 100_000, 400),
        ("null", 400),
        ('{"subject": "s"}', 400),
        (json.dumps({"subject": "t", "items": {}}), 409),
        (json.dumps({"subject": "s", "items": {"9": item("right")}}), 400),
        (json.dumps({"subject": "s", "items": {"0": item("maybe")}}), 400),
        (json.dumps({"subject": "s", "items": {"0": item(["right"])}}), 400),
        (json.dumps({"subject": "s", "items": {"0": item("right", at=-1)}}), 400),
        (json.dumps({"subject": "s", "items": {"0": item("right", at=float("nan"))}}), 400),
        (json.dumps({"subject": "s", "items": {"0": {"answer": "right"}}}), 400),
        (" " * (2**20 + 1), 413),
    ],
)
def test_what_is_no_answer_is_refused_and_keeps_what_was_there(folder, body, status):
    with served(folder) as server:
        assert post(server, {"1": item("wrong")})[0] == 200
        before = (folder / "pages" / "questions.answers.json").read_bytes()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            assert asked(server, "POST", "/questions.html", body, Cookie=cookie(server))[0] == status
        assert (folder / "pages" / "questions.answers.json").read_bytes() == before


def test_items_are_merged_one_by_one_and_the_later_counts(folder):
    with served(folder) as server:
        threads = [
            threading.Thread(target=post, args=(server, {key: item(word, 2.0)}))
            for key, word in (("0", "right"), ("1", "wrong"), ("2", "unsure"))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        post(server, {"0": item("wrong", 1.0)})  # older than what is there
        post(server, {"1": item(None, 3.0)})
    with served(folder) as server:
        items = server.pages["questions.html"].items()
    assert {key: one["answer"] for key, one in items.items()} == {"0": "right", "1": None, "2": "unsure"}
    text = (folder / "pages" / "questions.csv").read_bytes().decode("utf-8-sig")
    assert [line.rsplit(",", 1)[1] for line in text.splitlines()[1:]] == ["right", "", "unsure", ""]


def test_a_save_that_fails_leaves_what_was_there(folder, monkeypatch):
    with served(folder) as server:
        post(server, {"0": item("right")})
        kept = server.pages["questions.html"]
        monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
        monkeypatch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            kept.merge({"subject": "s", "items": {"1": item("wrong")}})
        monkeypatch.undo()
        assert set(kept.items()) == {"0"}


def test_damaged_answers_are_told_of_and_stay(folder):
    (folder / "pages" / "questions.answers.json").write_text('{"subject": "s", "items": {"0": 1}}')
    with pytest.raises(InputError, match="move it away to begin anew"):
        PageServer(folder, 0)


def test_a_run_without_pages_and_a_taken_port_are_refused(folder):
    with served(folder) as server, pytest.raises(InputError, match=f"--port {server.server_port}"):
        PageServer(folder, server.server_port)
    (folder / "pages" / "questions.html").unlink()
    (folder / "pages" / "notes.html").write_text("mine")
    with pytest.raises(InputError, match="holds no page of questions"):
        PageServer(folder, 0)


def begun(browser, server):
    opened = Opened(browser, f"http://{HOST}:{server.server_port}", **DESKTOP)
    opened.page.goto(server.address)
    opened.page.wait_for_load_state("networkidle")
    return opened


def settled(tab):
    until_it_says(tab, "saving", "Saved in")
    tab.wait_for_load_state("networkidle")


def answers(folder):
    found = json.loads((folder / "pages" / "questions.answers.json").read_bytes())["items"]
    return {key: one["answer"] for key, one in found.items()}


def test_answers_go_to_the_run_and_survive_reload_and_another_browser(browser, folder):
    with served(folder) as server:
        opened = begun(browser, server)
        tab = opened.page
        press(tab, "y", "n", "z", "u")
        settled(tab)
        assert answers(folder) == {"0": "right", "1": "unsure"}
        tab.reload()
        assert count(tab) == "2 of 4 answered: yes 1, no 0, unsure 1"
        opened.assert_quiet()
        tab.context.close()
        port = server.server_port
    with served(folder, port) as server:  # another start, another browser: a new token, the same answers
        opened = begun(browser, server)
        assert count(opened.page) == "2 of 4 answered: yes 1, no 0, unsure 1"
        opened.assert_quiet()
        opened.page.context.close()


def test_a_wrong_token_shows_nothing(browser, folder):
    with served(folder) as server:
        tab = browser.new_context().new_page()
        reply = tab.goto(f"http://{HOST}:{server.server_port}/?token=guess")
        assert reply.status == 403
        assert "wrong token" in tab.content()
        assert "About plain" not in tab.content()
        tab.context.close()


def test_two_tabs_lose_nothing_of_each_other(browser, folder):
    with served(folder) as server:
        opened = begun(browser, server)
        tab = opened.page
        other = tab.context.new_page()
        other.goto(tab.url)
        other.wait_for_load_state("networkidle")
        press(other, "ArrowRight", "ArrowRight", "n")
        settled(other)
        tab.bring_to_front()
        press(tab, "y")
        settled(tab)
        assert answers(folder) == {"2": "wrong", "0": "right"}
        until_it_says(tab, "count", "2 of 4")
        opened.assert_quiet()
        tab.context.close()


def test_what_was_answered_while_the_server_was_dead_is_saved_when_it_is_back(browser, folder):
    with served(folder) as server:
        port = server.server_port
        opened = begun(browser, server)
        tab = opened.page
        press(tab, "y")
        settled(tab)
    press(tab, "n", "u")
    until_it_says(tab, "saving", "Not saved yet")
    assert answers(folder) == {"0": "right"}
    tab.wait_for_timeout(500)
    with served(folder, port) as server:
        tab.goto(server.address)
        settled(tab)
        assert count(tab).startswith("3 of 4")
        assert answers(folder) == {"0": "right", "1": "wrong", "2": "unsure"}
        tab.context.close()


def test_served_decisions_are_what_apply_takes(browser, run):
    page = write_edit_page(run, "above", **ASKED)
    assert page.parent == run / "pages"
    with served(run) as server:
        opened = begun(browser, server)
        press(opened.page, "r", "k")
        settled(opened.page)
        opened.assert_quiet()
        opened.page.context.close()
    with pytest.raises(SystemExit) as end:
        main(["apply", str(run), str(page.with_suffix(".json"))])
    assert end.value.code == 0
    assert schemas.scan_edit_decisions(run).collect()["decision"].to_list() == ["remove", "keep"]
