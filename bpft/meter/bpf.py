"""Compiled tcpdump expressions run in Python, over the frames of the reference meter.

The machine is that of bpf(4): accumulator, index register, sixteen words of memory; a load behind the captured bytes
or a division by zero rejects the frame.
"""

import operator
from collections.abc import Callable

from bpft.core import Filter, FilterError
from bpft.meter.savefile import MAX_CAPTURED, Frame

_TRIED = (1, 113)  # Ethernet, and Linux cooked: which knows inbound and outbound

Instruction = tuple[int, int, int, int]  # code, jt, jf, k

_LD, _LDX, _ST, _STX, _ALU, _JMP, _RET = range(7)  # classes; the last one, 7, moves between the registers
_IMM, _IND, _MEM, _LEN, _MSH = 0x00, 0x40, 0x60, 0x80, 0xA0  # modes of a load; else it is absolute
_SIZES = {0x00: 4, 0x08: 2, 0x10: 1}
_FROM_X, _RETURN_A, _TXA, _NEGATE = 0x08, 0x10, 0x80, 0x80
_DIVISIONS: dict[int, Callable[[int, int], int]] = {0x30: operator.floordiv, 0x90: operator.mod}
_ARITHMETIC: dict[int, Callable[[int, int], int]] = {
    0x00: operator.add,
    0x10: operator.sub,
    0x20: operator.mul,
    0x40: operator.or_,
    0x50: operator.and_,
    0x60: lambda a, by: a << by if by < 32 else 0,
    0x70: lambda a, by: a >> by if by < 32 else 0,
    0xA0: operator.xor,
}
_JUMPS: dict[int, Callable[[int, int], bool]] = {
    0x10: operator.eq,
    0x20: operator.gt,
    0x30: operator.ge,
    0x40: lambda a, b: bool(a & b),
}


class _Reject(Exception):
    """The frame does not hold what the program reads."""


def accepts(expression: str, optimize: bool = True) -> Callable[[Frame], bool]:
    """A test whether a frame matches, compiled for each link type as it is met.

    Raises core.FilterError where the expression compiles for no link type, the test where it does not for the frame's.
    """
    programs: dict[int, list[Instruction]] = {}

    def program(link_type: int) -> list[Instruction]:
        if link_type not in programs:
            programs[link_type] = Filter(expression, link_type, MAX_CAPTURED, optimize).program()
        return programs[link_type]

    failures = []
    for link_type in _TRIED:
        try:
            program(link_type)
        except FilterError as why:
            failures.append(why)
    if len(failures) == len(_TRIED):
        raise failures[0]
    return lambda frame: run(program(frame.link_type), frame.data, frame.wire) > 0


def run(program: list[Instruction], data: bytes, wire: int) -> int:
    """How many bytes of the frame the program takes; 0: the frame is rejected."""
    try:
        return _run(program, data, wire)
    except _Reject:
        return 0


def _run(program: list[Instruction], data: bytes, wire: int) -> int:
    a = x = at = 0
    memory = [0] * 16
    while True:
        code, when_true, when_false, k = program[at]
        at += 1
        kind, operand = code & 7, x if code & _FROM_X else k
        if kind == _LD:
            a = _load(code, k, x, memory, data, wire)
        elif kind == _LDX:
            x = _load(code, k, 0, memory, data, wire)
        elif kind == _ST:
            memory[k] = a
        elif kind == _STX:
            memory[k] = x
        elif kind == _ALU:
            a = _compute(code & 0xF0, a, operand)
        elif kind == _JMP:
            if code & 0xF0 == 0:
                at += k
            else:
                at += when_true if _JUMPS[code & 0xF0](a, operand) else when_false
        elif kind == _RET:
            return a if code & _RETURN_A else k
        elif code & _TXA:
            a = x
        else:
            x = a


def _load(code: int, k: int, x: int, memory: list[int], data: bytes, wire: int) -> int:
    mode = code & 0xE0
    if mode == _IMM:
        return k
    if mode == _MEM:
        return memory[k]
    if mode == _LEN:
        return wire
    at, size = (k + x if mode == _IND else k), 1 if mode == _MSH else _SIZES[code & 0x18]
    if at + size > len(data):
        raise _Reject
    value = int.from_bytes(data[at : at + size], "big")
    return (value & 15) * 4 if mode == _MSH else value


def _compute(operation: int, a: int, operand: int) -> int:
    if operation == _NEGATE:
        return -a & 0xFFFFFFFF
    if operation in _DIVISIONS:
        if operand == 0:
            raise _Reject
        return _DIVISIONS[operation](a, operand)
    return _ARITHMETIC[operation](a, operand) & 0xFFFFFFFF
