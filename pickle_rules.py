"""Which names a pickle may refer to, and what it may do with them.

Owns: the allow-list and the three questions put to it: ``judge`` (by the text of a name, without
importing anything), ``resolve`` (import it and check what it really is) and ``is_callable`` (may
the pickle call it while loading). Exact names for the few functions and types every model file
needs; classes of the model libraries by rule, so that new estimators need no release. Standard
library only, Python 3.7 syntax.

The order of the rules matters: a denied part of a module's path wins over everything, an exact name
over the rule for classes.
"""

from __future__ import annotations

import importlib
import re
import types
from typing import Any

import renamed_modules

Value = Any
"""Whatever a name can stand for."""

ALLOWED = "allowed"
LEFT_OUT = "left out"  # replaced by an inert stand-in: not needed to predict
BLOCKED = "blocked"
DANGEROUS = "dangerous"

_SCALARS = (
    "bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 intc uintc longlong ulonglong float16 "
    "float32 float64 longdouble complex64 complex128 str_ bytes_ void object_ datetime64 "
    "timedelta64 bool float int str number integer floating generic"
)
_UFUNCS = (
    "abs absolute add arccos arccosh arcsin arcsinh arctan arctan2 arctanh cbrt ceil cos cosh "
    "deg2rad degrees divide equal exp exp2 expm1 fabs float_power floor floor_divide fmax fmin "
    "fmod greater greater_equal heaviside hypot isfinite isinf isnan less less_equal log log10 "
    "log1p log2 logaddexp logaddexp2 logical_and logical_not logical_or logical_xor maximum "
    "minimum mod multiply negative not_equal positive power rad2deg radians reciprocal remainder "
    "rint sign signbit sin sinh sqrt square subtract tan tanh true_divide trunc"
)
_NUMPY_FUNCTIONS = (
    "amax amin argmax argmin argsort around array asarray ascontiguousarray asfortranarray "
    "atleast_1d atleast_2d average clip column_stack concatenate copy count_nonzero cumprod cumsum "
    "delete diff digitize expand_dims flip gradient hstack imag interp isin max mean median min "
    "nan_to_num nanmax nanmean nanmedian nanmin nanstd nansum percentile prod ptp quantile ravel "
    "real reshape round searchsorted sinc sort squeeze stack std sum transpose unique var vstack "
    "where"
)
_SPECIAL = (
    "boxcox boxcox1p cbrt digamma erf erfc erfinv exp10 expit expm1 gamma gammaln inv_boxcox "
    "inv_boxcox1p log1p log_expit log_softmax logit logsumexp ndtr ndtri psi softmax xlog1py xlogy"
)
_TABLES = "concat cut get_dummies isna isnull notna notnull qcut to_datetime to_numeric"
_BUILTINS = (
    "object list dict set frozenset tuple int float complex bool str bytes bytearray slice range "
    "Ellipsis NotImplemented long unicode"
)
_SPARSE = " ".join(
    f"{kind}_{form}"
    for kind in ("csr", "csc", "coo", "bsr", "dia", "dok", "lil")
    for form in ("matrix", "array")
)

CALLABLES = {
    "numpy": f"dtype ndarray {_SCALARS}",
    "numpy.core.multiarray": "_reconstruct scalar",
    "numpy._core.multiarray": "_reconstruct scalar",
    "numpy.core.numeric": "_frombuffer",
    "numpy._core.numeric": "_frombuffer",
    "numpy.ma.core": "_mareconstruct MaskedArray",
    "numpy.ma": "MaskedArray",
    "numpy.dtypes": "StringDType",
    "numpy.random": "RandomState Generator __RandomState_ctor",
    "numpy.random._pickle": "__randomstate_ctor __bit_generator_ctor __generator_ctor",
    "numpy.random.mtrand": "RandomState",
    "numpy.random._generator": "Generator",
    "numpy.random._mt19937": "MT19937",
    "numpy.random._pcg64": "PCG64 PCG64DXSM",
    "numpy.random._philox": "Philox",
    "numpy.random._sfc64": "SFC64",
    "numpy.random.bit_generator": "SeedSequence __pyx_unpickle_SeedSequence",
    "copyreg": "_reconstructor __newobj__",
    "_codecs": "encode",
    "collections": "OrderedDict defaultdict deque Counter",
    "types": "SimpleNamespace",  # holds attributes and has no methods
    "builtins": _BUILTINS,
    "dill._dill": "_create_array _load_type",  # answered by our own versions
    "joblib.numpy_pickle": "NumpyArrayWrapper",
    "sklearn.externals.joblib.numpy_pickle": "NumpyArrayWrapper",
    "scipy.sparse": _SPARSE,
    "scipy.interpolate": "BSpline interp1d",
    "scipy.interpolate._bsplines": "BSpline",
    "scipy.interpolate._interpolate": "interp1d",
    "scipy.interpolate.interpolate": "interp1d",
    "scipy.optimize._optimize": "OptimizeResult",
}
"""Functions and types by exact name; a pickle may call them."""

for _form in ("csr", "csc", "coo", "bsr", "dia", "dok", "lil"):
    CALLABLES[f"scipy.sparse._{_form}"] = CALLABLES[f"scipy.sparse.{_form}"] = _SPARSE

REFERENCES = {
    "numpy": f"{_UFUNCS} {_NUMPY_FUNCTIONS}",
    "numpy.core._multiarray_umath": _UFUNCS,
    "numpy._core._multiarray_umath": _UFUNCS,
    "numpy.core.umath": _UFUNCS,
    "numpy._core.umath": _UFUNCS,
    "numpy.core.fromnumeric": _NUMPY_FUNCTIONS,
    "numpy._core.fromnumeric": _NUMPY_FUNCTIONS,
    "numpy.linalg": "norm",
    "numpy.fft": "fft rfft",
    "pandas": _TABLES,
    "scipy.special": _SPECIAL,
    "scipy.special._ufuncs": _SPECIAL,
    "scipy.special._special_ufuncs": _SPECIAL,
    "scipy.special._logsumexp": _SPECIAL,
    "scipy.stats._stats_py": "rankdata zscore",
    "scipy.stats._morestats": "boxcox yeojohnson",
    "scipy.sparse._construct": "hstack vstack",
    "sklearn.utils.validation": "as_float_array check_array column_or_1d",
    "scipy._lib.array_api_compat.numpy._aliases": "asarray",
    "sklearn.metrics._scorer": "_passthrough_scorer",
    "sklearn.metrics.scorer": "_passthrough_scorer",
    "builtins": "DeprecationWarning FutureWarning",  # searches before 0.22 keep them with results
    "sklearn.cluster._kmeans": "_kmeans_single_lloyd _kmeans_single_elkan",
    "xgboost.callback": "EarlyStopping EvaluationMonitor",
}
"""Functions that a fitted object may hold, but that a pickle may not call."""

FUNCTION_MODULES = ("sklearn.metrics", "sklearn.feature_selection", "sklearn.preprocessing")
"""Plain functions of these packages (scores, kernels, scalings) are references too."""

LIBRARIES = {
    "sklearn": r"_*[A-Z]\w*",
    "imblearn": r"_*[A-Z]\w*",
    "xgboost": r"XGB\w+|Booster",
    "lightgbm": r"LGBM\w+|_LGBM\w+|Booster",
    "catboost": r"_?CatBoost\w*",
}
"""Class names of these packages are allowed if the class is truly theirs."""

_DENIED = (
    "tests test testing _testing datasets externals dask spark conftest exceptions __main__ "
    "_build_utils plotting _plotting numpy_pickle_compat"
)
DENIED_PARTS = frozenset(_DENIED.split())
"""Module path parts under which nothing is allowed by rule."""

STAND_INS = re.compile(
    r"pandas\.(_*[A-Z]\w*|arrays\.\w+|_libs\..+"
    r"|core\.(indexes|frame|series|internals|arrays|dtypes|index|categorical)\b.*)"
    r"|pyarrow\.lib\.\w+"
    r"|sklearn\.callback(\.\w+)*\._*[A-Z]\w*"  # they open sockets when loaded
    r"|scipy\.stats\._(distn_infrastructure|continuous_distns|discrete_distns)\.(rv_\w+|\w+_gen)"
)
"""Tables and distributions kept beside a model: replaced, since their loaders run code."""

_RISKY = (
    "os posix nt ntpath posixpath subprocess sys builtins socket shutil importlib imp runpy ctypes "
    "_ctypes pty pip pdb bdb code codeop timeit cProfile profile trace asyncio multiprocessing "
    "_posixsubprocess webbrowser requests urllib urllib2 urllib3 http httplib httpx ftplib smtplib "
    "telnetlib ssl platform operator _operator commands popen2 signal threading _thread types "
    "marshal pickle _pickle io _io pathlib tempfile linecache inspect gc pkgutil zipimport doctest "
    "sqlite3 pydoc distutils setuptools pkg_resources venv ensurepip uuid imaplib poplib nntplib "
    "xmlrpc concurrent functools itertools codecs logging aiohttp site idlelib lib2to3 "
    "_osx_support _aix_support _pyrepl"
)
DANGEROUS_MODULES = frozenset(_RISKY.split())
"""Standard modules through which a pickle can run programs, read files or reach the network."""

MODEL_PACKAGES = frozenset([*LIBRARIES, "numpy", "scipy", "pandas", "pyarrow", "joblib", "torch"])
"""Packages of honest files: their unknown classes are unknown, their other functions an attack."""

_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_CYTHON_LOADER = re.compile(r"newObj|__pyx_unpickle_\w+")


class StandIn:
    """Takes the place of an object that is not needed to predict; does nothing."""

    left_out = ""

    def __new__(cls, *args: Value, **kwargs: Value) -> Value:
        """Accept whatever the original takes."""
        return super().__new__(cls)

    def __init__(self, *args: Value, **kwargs: Value) -> None:
        """Forget it."""

    def __setstate__(self, state: Value) -> None:
        """Forget the state."""

    def __repr__(self) -> str:
        return f"<{self.left_out}, left out>"


def judge(module: str, name: str) -> str:
    """Return what becomes of a name, by its text alone.

    Parameters
    ----------
    module, name : str
        As the pickle says them, mapped to Python 3.

    Returns
    -------
    {"allowed", "left out", "blocked", "dangerous"}

    Examples
    --------
    >>> judge("sklearn.linear_model._base", "LinearRegression"), judge("posix", "system")
    ('allowed', 'dangerous')
    """
    root = module.split(".")[0]
    if not _MODULE.fullmatch(module) or not _IDENTIFIER.fullmatch(name):
        return DANGEROUS  # a dotted name walks through attributes of what is allowed
    if is_exact(module, name):
        return ALLOWED
    if STAND_INS.fullmatch(f"{module}.{name}"):
        return LEFT_OUT
    if DENIED_PARTS.isdisjoint(module.split(".")) and _allowed_by_rule(root, module, name):
        return ALLOWED
    return DANGEROUS if _is_dangerous(root, module, name) else BLOCKED


def is_exact(module: str, name: str) -> bool:
    """Whether a name stands in one of the exact lists.

    Examples
    --------
    >>> is_exact("os", "system")
    False
    """
    listed = f"{CALLABLES.get(module, '')} {REFERENCES.get(module, '')}"
    return name in listed.split()


def resolve(module: str, name: str) -> Value:
    """Import what an allowed name stands for and check that it is what its text promised.

    Raises
    ------
    LookupError
        If the name stands for something else: a function where a class was promised, an object
        of another package.
    ImportError, AttributeError
        If the installed version has no such name.
    """
    if judge(module, name) == LEFT_OUT:
        return type(name, (StandIn,), {"left_out": f"{module}.{name}"})
    value = getattr(importlib.import_module(module), name)
    if is_exact(module, name) or _is_as_promised(value, module, name):
        return value
    message = f"{module}.{name} is not a class of {module.split('.')[0]}"
    raise LookupError(message)


def is_callable(value: Value, exact: dict[int, Value]) -> bool:
    """Whether a pickle may call an object while loading.

    Parameters
    ----------
    value : object
        The callee.
    exact : dict of int to object
        Objects by ``id`` that came from ``CALLABLES`` or are loaders of compiled classes.

    Notes
    -----
    Python classes are only ever allocated (``cls.__new__``) and given their state; compiled ones
    (trees, losses, neighbour trees) rebuild themselves through their constructor.
    """
    if id(value) in exact:
        return True
    return isinstance(value, type) and not _is_python_function(getattr(value, "__init__", None))


def may_be_called(module: str, name: str) -> bool:
    """Whether a name is among those that a pickle may call by exact rule.

    Examples
    --------
    >>> may_be_called("builtins", "eval")
    False
    """
    if name in CALLABLES.get(module, "").split():
        return True
    return module.startswith("sklearn.") and bool(_CYTHON_LOADER.fullmatch(name))


def might_be_callable(module: str, name: str) -> bool:
    """Whether an allowed name might be callable, by its text; ``is_callable`` decides in the end.

    Of the packages allowed by rule only scikit-learn has compiled classes.
    """
    is_class = re.fullmatch(LIBRARIES["sklearn"], name) is not None
    return may_be_called(module, name) or (module.startswith("sklearn.") and is_class)


def _allowed_by_rule(root: str, module: str, name: str) -> bool:
    """Whether a name looks like a class of a model library, or a function kept by one."""
    pattern = LIBRARIES.get(root)
    if pattern is not None and re.fullmatch(pattern, name):
        return True
    if module.startswith("sklearn.") and _CYTHON_LOADER.fullmatch(name):
        return True
    return _is_function_module(module) and not name.startswith("_")


def _is_function_module(module: str) -> bool:
    return any(module == root or module.startswith(root + ".") for root in FUNCTION_MODULES)


def _is_dangerous(root: str, module: str, name: str) -> bool:
    """Whether a name is one through which pickles attack, not merely an unknown class."""
    if root in MODEL_PACKAGES:
        is_class = re.fullmatch(r"_*[A-Z]\w*", name) is not None
        return not is_class or not DENIED_PARTS.isdisjoint(module.split("."))
    return root in DANGEROUS_MODULES and (module, name) != ("functools", "partial")


def _is_as_promised(value: Value, module: str, name: str) -> bool:
    """Whether the imported object is what its name looked like."""
    root = module.split(".")[0]
    home = renamed_modules.full_name(str(getattr(value, "__module__", "") or ""))
    if isinstance(value, type):
        return _is_own_class(value, root, home)
    if home.split(".")[0] != root:
        return _CYTHON_LOADER.fullmatch(name) is not None and not _is_python_function(value)
    if _CYTHON_LOADER.fullmatch(name):
        return not _is_python_function(value)
    return _is_function_module(module) and _is_function_module(home)


def _is_own_class(value: type, root: str, home: str) -> bool:
    """Whether a class belongs to its package and is one that models are made of."""
    parts = home.split(".")
    if parts[0] != root or not DENIED_PARTS.isdisjoint(parts):
        return False
    if issubclass(value, BaseException):
        return False
    if root in ("sklearn", "imblearn"):
        return True
    bases = {base.__name__ for base in value.__mro__}
    return bool(bases & {"BaseEstimator", "Booster", "CatBoost", "_CatBoostBase", "_CatBoost"})


def _is_python_function(value: Value) -> bool:
    return isinstance(value, types.FunctionType)
