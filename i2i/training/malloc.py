"""Memory of the C library, which training on a CPU wears hard."""

import ctypes
import os

# From malloc.h of the GNU C library and from Linux; see mallopt(3) and madvise(2).
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
_HUGE_PAGES, _HUGE_PAGE = 14, 2 << 20  # advice, bytes


def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees; whether that could be done (not without the GNU C library).

    Activations and gradients over 32 MiB go back to the system when they are freed, and the next step waits until it
    has cleared as many pages again: on a CPU that was a quarter of a CycleGAN step and a third of a Pix2Pix step.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    if not (mallopt(_MMAP_MAX, 0) and mallopt(_TRIM_THRESHOLD, -1)):
        return False
    _advise_huge_pages()
    return True


def _advise_huge_pages() -> None:
    """Have what the heap grows by from now on in pages of 2 MiB; most systems give them to none but those that ask.

    Room is reserved once, advised and freed again: none of it is memory before it is used.
    """
    library, size = ctypes.CDLL(None), os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    library.free.restype, library.free.argtypes = None, [ctypes.c_void_p]
    library.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    room = library.malloc(size)
    if room:
        library.madvise(-(-room // _HUGE_PAGE) * _HUGE_PAGE, size - _HUGE_PAGE, _HUGE_PAGES)
        library.free(room)
