"""What numba lacks: numbers at plain addresses, sums whose order is free, and stores that bypass the cache."""

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LINE = 64  # bytes of a cache line, written by one store


def _vector_at(typing_context: Any, address: Any, like: Any) -> Any:  # noqa: ARG001 - numba's calling convention
    """A pointer to numbers of the type of `like` at an integer address, to be indexed with `load` and `store`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return types.CPointer(like)(types.int64, like), generate


def _stream(typing_context: Any, target: Any, source: Any, count: Any) -> Any:  # noqa: ARG001 - numba's calling convention
    """Copy `count` blocks of 64 bytes from one address to another; the target is aligned to 64 and not cached."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001 - numba's calling convention
        block = ir.VectorType(ir.FloatType(), 16).as_pointer()
        target, source, count = arguments
        with cgutils.for_range(builder, count) as loop:
            offset = builder.mul(loop.index, ir.Constant(ir.IntType(64), LINE))
            value = builder.load(builder.inttoptr(builder.add(source, offset), block), align=4)
            store = builder.store(value, builder.inttoptr(builder.add(target, offset), block), align=LINE)
            one = builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)])
            store.set_metadata("nontemporal", one)
        return context.get_dummy_value()

    return types.none(types.int64, types.int64, types.int64), generate


def _fetch(typing_context: Any, address: Any, size: Any) -> Any:  # noqa: ARG001 - numba's calling convention
    """Ask for `size` bytes from an address on to be brought into the second-level cache meanwhile."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001 - numba's calling convention
        pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        address, size = arguments
        count = builder.udiv(builder.add(size, ir.Constant(size.type, LINE - 1)), ir.Constant(size.type, LINE))
        with cgutils.for_range(builder, count) as loop:
            at = builder.add(address, builder.mul(loop.index, ir.Constant(size.type, LINE)))
            builder.call(prefetch, [builder.inttoptr(at, pointer), *(ir.Constant(number, k) for k in (0, 2, 1))])
        return context.get_dummy_value()

    return types.none(types.int64, types.int64), generate


def _plus(typing_context: Any, total: Any, term: Any) -> Any:  # noqa: ARG001 - numba's calling convention
    """The sum total + term where only this addition may be reordered, so that a sum is split over vector lanes.

    Reordering a whole function would be shorter to ask for, and wrong: (x − mean) − delta becomes x − (mean + delta).
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001 - numba's calling convention
        return builder.fadd(*arguments, flags=("reassoc", "nsz", "contract"))

    return total(total, term), generate


def _widest(typing_context: Any) -> Any:  # noqa: ARG001 - numba's calling convention
    """Ask for the widest vectors the CPU has in the function that calls it: LLVM prefers 256 bits even where 512 exist.

    Worth a fifth to a half of the time of a row that lies in the first-level cache.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001 - numba's calling convention
        # llvmlite checks the names of attributes it knows; this one is LLVM's own.
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.none(), generate


vector_at: Any = intrinsic(_vector_at)
stream: Any = intrinsic(_stream)
fetch: Any = intrinsic(_fetch)
plus: Any = intrinsic(_plus)
widest: Any = intrinsic(_widest)
