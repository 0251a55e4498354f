import gzip
import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from i2i.data.archive import unpack

FILES = {"set/trainA/1.jpg": b"a" * 5000, "set/trainB/deep/1.jpg": b"b" * 1000}
FORMATS = ["zip", "tar.gz"]


def make(archive: Path, files: dict[str, bytes]) -> Path:
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            for name, content in files.items():
                file.writestr(name, content)
        return archive
    with tarfile.open(archive, "w:gz") as file:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return archive


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(archive: Path, sentence: str, **bounds: int) -> None:
    """`unpack` raises that sentence and leaves the folder beside the archive as it was."""
    around = archive.parent
    before = tree(around)
    with pytest.raises(ValueError, match=sentence):
        unpack(archive, around / "out", **bounds)
    assert tree(around) == before
    assert [path.name for path in around.iterdir()] == [archive.name]


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_single_top_folder_becomes_the_folder(suffix: str, tmp_path: Path) -> None:
    archive = make(tmp_path / f"a.{suffix}", FILES)
    progress: list[tuple[int, int]] = []
    unpack(archive, tmp_path / "new" / "out", progress=lambda *numbers: progress.append(numbers))
    assert tree(tmp_path / "new") == {f"out/{name.removeprefix('set/')}": data for name, data in FILES.items()}
    assert progress == sorted(progress)
    assert all(0 < done <= total == archive.stat().st_size for done, total in progress)


@pytest.mark.parametrize("suffix", FORMATS)
def test_several_folders_at_the_top_stay_in_the_folder(suffix: str, tmp_path: Path) -> None:
    files = {"trainA/1.jpg": b"a", "trainB/1.jpg": b"b"}
    unpack(make(tmp_path / f"a.{suffix}", files), tmp_path / "out")
    assert tree(tmp_path / "out") == files


def test_the_folder_that_macos_adds_is_left_out(tmp_path: Path) -> None:
    unpack(make(tmp_path / "a.zip", {"set/1.jpg": b"a", "__MACOSX/set/._1.jpg": b"x"}), tmp_path / "out")
    assert tree(tmp_path / "out") == {"1.jpg": b"a"}


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("name", ["/tmp/evil", "../evil", "set/../../evil", "C:\\evil", "C:evil", "..\\evil", "\\evil"])
def test_names_that_lead_outside_are_refused(name: str, suffix: str, tmp_path: Path) -> None:
    refused(make(tmp_path / f"a.{suffix}", {"set/1.jpg": b"a", name: b"x"}), "outside the folder")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(kind: bytes, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as file:
        info = tarfile.TarInfo("set/1.jpg")
        info.type, info.linkname = kind, "/etc/passwd"
        file.addfile(info)
    refused(tmp_path / "a.tar.gz", "'set/1.jpg' is a link or device")


def test_links_in_a_zip_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        info = zipfile.ZipInfo("set/1.jpg")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(info, "/etc/passwd")
    refused(tmp_path / "a.zip", "a link or device")


def test_encrypted_files_in_a_zip_are_refused(tmp_path: Path) -> None:
    archive = make(tmp_path / "a.zip", {"set/1.jpg": b"a"})
    data = bytearray(archive.read_bytes())
    for flags in (data.index(b"PK\x03\x04") + 6, data.index(b"PK\x01\x02") + 8):
        data[flags] |= 1
    archive.write_bytes(data)
    refused(archive, "'set/1.jpg' is encrypted")


@pytest.mark.parametrize("suffix", FORMATS)
def test_size_and_number_are_bounded(suffix: str, tmp_path: Path) -> None:
    archive = make(tmp_path / f"a.{suffix}", FILES)
    refused(archive, "more than 5999 bytes", max_bytes=5999)
    refused(archive, "or 1 files", max_files=1)
    unpack(archive, tmp_path / "out", max_bytes=6000, max_files=2)


def test_a_zip_that_declares_a_wrong_size_is_refused(tmp_path: Path) -> None:
    archive = make(tmp_path / "a.zip", {"set/1.jpg": b"a" * 100_000})
    data = archive.read_bytes()
    assert data.count((100_000).to_bytes(4, "little")) == 2  # beside the file and in the directory at the end
    archive.write_bytes(data.replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    refused(archive, "not a complete", max_bytes=1000)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.95])
def test_a_truncated_archive_leaves_no_folder(share: float, suffix: str, tmp_path: Path) -> None:
    # Each file its own noise, so that the archive is not all directory.
    files = {f"set/{name}.jpg": bytes((name * byte * byte) % 251 for byte in range(9999)) for name in range(20)}
    archive = make(tmp_path / f"a.{suffix}", files)
    data = archive.read_bytes()
    archive.write_bytes(data[: int(share * len(data))])
    refused(archive, "not a complete .zip or .tar.gz")


def test_a_flipped_bit_is_detected(tmp_path: Path) -> None:
    archive = make(tmp_path / "a.zip", {"set/1.jpg": bytes(range(256)) * 10})
    data = bytearray(archive.read_bytes())
    data[100] ^= 1
    archive.write_bytes(data)
    refused(archive, "not a complete")


def test_an_existing_folder_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    archive = make(tmp_path / "a.zip", FILES)
    (tmp_path / "out").mkdir()
    with pytest.raises(ValueError, match="exists already"):
        unpack(archive, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_the_rest_of_a_killed_process_is_deleted(tmp_path: Path) -> None:
    archive = make(tmp_path / "a.zip", FILES)
    (tmp_path / ".out.unpacking" / "content").mkdir(parents=True)
    (tmp_path / ".out.unpacking" / "content" / "old.jpg").write_bytes(b"old")
    unpack(archive, tmp_path / "out")
    assert "old.jpg" not in tree(tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "out"]


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
def test_a_header_of_gigabytes_is_refused_before_it_is_read(kind: bytes, tmp_path: Path) -> None:
    info = tarfile.TarInfo("long")
    info.type, info.size = kind, 2**31
    with gzip.open(tmp_path / "a.tar.gz", "wb") as file:
        file.write(info.tobuf() + bytes(2**21))
    refused(tmp_path / "a.tar.gz", "a header of 2147483648 bytes")


def test_headers_that_follow_headers_are_a_sentence(tmp_path: Path) -> None:
    info = tarfile.TarInfo("long")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1
    with gzip.open(tmp_path / "a.tar.gz", "wb") as file:
        file.write((info.tobuf() + bytes(512)) * 3000)
    refused(tmp_path / "a.tar.gz", "not a complete .zip or .tar.gz")
