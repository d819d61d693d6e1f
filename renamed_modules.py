"""Where the private modules of old scikit-learn versions are now.

Owns: ``full_name`` (a compiled module that calls itself by a short name) and ``present_module``
(the present name of a module that was renamed). A file loaded through the second may predict
otherwise than it did; whoever uses it must say so. Standard library alone, Python 3.7 syntax.
"""

from __future__ import annotations

SHORT_NAMES = {"_loss": "sklearn._loss._loss"}
"""Compiled modules of scikit-learn 1.4 to 1.6 stand in pickles without their package."""

_UNDERSCORED = {
    "cross_decomposition": "pls_",
    "cluster": "birch mean_shift_ optics_ spectral dbscan_ affinity_propagation_",
    "covariance": "elliptic_envelope empirical_covariance_ robust_covariance shrunk_covariance_",
    "decomposition": (
        "base factor_analysis fastica_ incremental_pca kernel_pca nmf pca sparse_pca truncated_svd"
    ),
    "ensemble": "bagging base forest iforest voting weight_boosting",
    "feature_extraction": "dict_vectorizer",
    "feature_selection": (
        "base from_model mutual_info_ rfe univariate_selection variance_threshold"
    ),
    "gaussian_process": "gpc gpr",
    "linear_model": (
        "base bayes coordinate_descent huber least_angle logistic omp passive_aggressive "
        "perceptron ransac ridge stochastic_gradient theil_sen"
    ),
    "metrics": "scorer",
    "mixture": "base bayesian_mixture gaussian_mixture",
    "neighbors": "ball_tree base classification kd_tree kde lof nearest_centroid regression "
    "unsupervised",
    "neural_network": "multilayer_perceptron rbm",
    "preprocessing": "data label",
    "semi_supervised": "label_propagation",
    "svm": "base",
}
"""By package: modules that scikit-learn 0.22 renamed to the same name after an underscore."""

_OTHERWISE = {
    "sklearn.cross_decomposition.cca_": "sklearn.cross_decomposition._pls",
    "sklearn.cluster.hierarchical": "sklearn.cluster._agglomerative",
    "sklearn.cluster.k_means_": "sklearn.cluster._kmeans",
    "sklearn.decomposition.dict_learning": "sklearn.decomposition._dict_learning",
    "sklearn.decomposition.online_lda": "sklearn.decomposition._lda",
    "sklearn.ensemble.gradient_boosting": "sklearn.ensemble._gb",
    "sklearn.ensemble.voting_classifier": "sklearn.ensemble._voting",
    "sklearn.feature_extraction.hashing": "sklearn.feature_extraction._hash",
    "sklearn.neighbors._dist_metrics": "sklearn.metrics._dist_metrics",
    "sklearn.neighbors.dist_metrics": "sklearn.metrics._dist_metrics",
    "sklearn.svm.classes": "sklearn.svm._classes",
    "sklearn.tree.tree": "sklearn.tree._classes",
}

RENAMED = {
    **{
        f"sklearn.{package}.{name}": f"sklearn.{package}._{name.rstrip('_')}"
        for package, names in _UNDERSCORED.items()
        for name in names.split()
    },
    **_OTHERWISE,
}
"""Old name to present name."""


def full_name(module: str) -> str:
    """Return the full name of a module.

    Examples
    --------
    >>> full_name("_loss"), full_name("sklearn.svm")
    ('sklearn._loss._loss', 'sklearn.svm')
    """
    return SHORT_NAMES.get(module, module)


def present_module(module: str) -> str | None:
    """Return the present name of a renamed module, None for any other.

    Examples
    --------
    >>> present_module("sklearn.linear_model.logistic"), present_module("sklearn.cluster.k_means_")
    ('sklearn.linear_model._logistic', 'sklearn.cluster._kmeans')
    """
    return RENAMED.get(module)
