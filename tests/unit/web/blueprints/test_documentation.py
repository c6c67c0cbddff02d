import re
from pathlib import Path

from tests.unit.web.world import World
from web.http import problems

STATIC = Path("web/static")


def test_the_page_and_all_it_loads_come_from_here(world: World) -> None:
    page = world.client.get("/docs")
    assert page.content_type == "text/html; charset=utf-8"
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    links = re.findall(r'(?:src|href)="([^"#]+)"', page.text)
    assert links
    for link in links:
        assert link.startswith("/")
        assert world.client.get(link).status_code == 200, link


def test_nothing_on_the_page_is_inline_or_foreign(world: World) -> None:
    page = world.client.get("/docs").text
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page)
    for file in STATIC.iterdir():
        text = file.read_text()
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), file
        assert "innerHTML" not in text
        assert "eval(" not in text


def test_only_the_pages_own_files_are_served(world: World) -> None:
    for name in ("nope.js", "..%2fapp.py", "%2e%2e%2fapp.py", "docs.html%00"):
        assert world.client.get(f"/docs/{name}").status_code == 404


def test_every_kind_of_problem_is_described_where_its_type_points(world: World) -> None:
    described = {problem["type"] for problem in world.client.get("/openapi.json").get_json()["x-problems"]}
    assert described == {kind.type for kind in problems.KINDS}


def test_the_root_leads_to_the_page_and_no_other_path_does(world: World) -> None:
    root = world.client.get("/")
    assert (root.status_code, root.headers["Location"], root.data) == (302, "/docs", b"")
    assert root.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert root.headers["X-Content-Type-Options"] == "nosniff"
    assert world.client.get("/", follow_redirects=True).content_type == "text/html; charset=utf-8"
    for path in ("/nope", "/docs/", "/?next=https://example.org"):
        answer = world.client.get(path)
        assert answer.headers.get("Location") in {None, "/docs"}
    unknown = world.client.get("/nope")
    assert (unknown.status_code, unknown.content_type) == (404, "application/problem+json")
    assert world.client.post("/").status_code == 405
