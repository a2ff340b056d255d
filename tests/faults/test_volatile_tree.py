"""The tree forgets what was not synced, and nothing else."""

import stat
from pathlib import Path

import pytest

from tests.faults.volatile_tree import Node, VolatileTree


@pytest.fixture
def tree(tmp_path: Path) -> VolatileTree:
    return VolatileTree(tmp_path)


def kept(tree: VolatileTree, path: str = "/a", data: bytes = b"old data") -> Node:
    """A file that is durable, with its name."""
    node = tree.make(path, 0o644)
    node.write(data, 0)
    tree.sync(node)
    tree.sync(tree.node(path.rpartition("/")[0]))
    return node


def content(tree: VolatileTree, path: str = "/a") -> bytes:
    node = tree.node(path)
    return node.read(node.size, 0)


def test_data_that_was_synced_stays(tree: VolatileTree) -> None:
    kept(tree)
    tree.cut()
    assert content(tree) == b"old data"


def test_data_that_was_not_synced_is_gone(tree: VolatileTree) -> None:
    node = kept(tree)
    node.write(b"new", 0)
    node.write(b"more", 100)
    assert content(tree).startswith(b"new data")
    tree.cut()
    assert content(tree) == b"old data"


def test_what_is_synced_later_stays_and_what_came_after_it_is_gone(tree: VolatileTree) -> None:
    node = kept(tree)
    node.write(b"new", 0)
    tree.sync(node)
    node.write(b"newest", 0)
    tree.cut()
    assert content(tree) == b"new data"


def test_a_cut_and_an_extended_file_are_again_as_long_as_they_were(tree: VolatileTree) -> None:
    node = kept(tree)
    for size in (3, 5000):
        node.truncate(size)
        tree.cut()
        assert content(tree) == b"old data"
    node.truncate(3)
    tree.sync(node)
    tree.cut()
    assert content(tree) == b"old"


def test_zeros_between_writes_are_durable_too(tree: VolatileTree) -> None:
    node = kept(tree)
    node.truncate(4)
    node.write(b"end", 5000)
    tree.sync(node)
    tree.cut()
    assert content(tree) == b"old " + bytes(4996) + b"end"


def test_a_new_file_is_gone_though_it_was_synced_until_its_folder_is(tree: VolatileTree) -> None:
    node = tree.make("/a", 0o644)
    node.write(b"data", 0)
    tree.sync(node)
    tree.cut()
    with pytest.raises(FileNotFoundError):
        tree.node("/a")


def test_a_file_whose_name_alone_was_synced_is_empty(tree: VolatileTree) -> None:
    tree.make("/a", 0o644).write(b"data", 0)
    tree.sync(tree.node("/"))
    tree.cut()
    assert content(tree) == b""


def test_a_rename_is_undone_unless_its_folder_was_synced(tree: VolatileTree) -> None:
    kept(tree, "/a", b"a")
    kept(tree, "/b", b"b")
    tree.rename("/a", "/b")
    assert content(tree, "/b") == b"a"
    tree.cut()
    assert (content(tree, "/a"), content(tree, "/b")) == (b"a", b"b")
    tree.rename("/a", "/b")
    tree.sync(tree.node("/"))
    tree.cut()
    assert content(tree, "/b") == b"a"
    with pytest.raises(FileNotFoundError):
        tree.node("/a")


def test_a_file_that_was_removed_is_there_again_unless_its_folder_was_synced(
    tree: VolatileTree,
) -> None:
    kept(tree)
    tree.unlink("/a")
    tree.cut()
    assert content(tree) == b"old data"
    tree.unlink("/a")
    tree.sync(tree.node("/"))
    tree.cut()
    with pytest.raises(FileNotFoundError):
        tree.node("/a")


def test_folders_are_entries_too(tree: VolatileTree) -> None:
    tree.make("/d", stat.S_IFDIR | 0o755)
    kept(tree, "/d/a")
    tree.cut()  # /d itself was not synced into /
    with pytest.raises(FileNotFoundError):
        tree.node("/d")
    tree.make("/d", stat.S_IFDIR | 0o755)
    tree.sync(tree.node("/"))
    kept(tree, "/d/a")
    tree.cut()
    assert content(tree, "/d/a") == b"old data"
    with pytest.raises(OSError, match="Errno"):
        tree.unlink("/d")


def test_a_disk_that_lies_keeps_nothing(tmp_path: Path) -> None:
    tree = VolatileTree(tmp_path, lies=True)
    kept(tree)
    tree.cut()
    with pytest.raises(FileNotFoundError):
        tree.node("/a")


def test_what_no_name_and_no_handle_leads_to_takes_no_space(
    tree: VolatileTree, tmp_path: Path
) -> None:
    node = kept(tree)
    tree.hold(node)
    tree.unlink("/a")
    tree.sync(tree.node("/"))
    assert node.read(3, 0) == b"old"  # a handle is open
    tree.release(node)
    assert list(tmp_path.iterdir()) == []
