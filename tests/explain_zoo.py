"""A zoo of fitted models: what each is, which table it takes and which route explains it.

Owns: ``ZOO``, one line per kind; tables and targets are in ``explain_zoo_tables``. Run
``python -m tests.explain_zoo`` to print it for ``docs/explained-models.md``.
"""

from __future__ import annotations

import sys
from typing import Any

import catboost
import lightgbm as lgb
import numpy as np
import pandas as pd
import xgboost as xgb
from sklearn import (
    calibration,
    clone,
    cluster,
    cross_decomposition,
    discriminant_analysis,
    dummy,
    ensemble,
    gaussian_process,
    isotonic,
    kernel_ridge,
    mixture,
    multiclass,
    multioutput,
    naive_bayes,
    neighbors,
    neural_network,
    preprocessing,
    random_projection,
    semi_supervised,
    svm,
    tree,
)
from sklearn import linear_model as lm
from sklearn import model_selection as search
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.feature_selection import RFE, SelectKBest
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.kernel_approximation import Nystroem
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline

from tests.explain_zoo_tables import Kind

LINEAR, TREE, ENUMERATED = "linear", "tree", "enumerated"
FEW: dict[str, Any] = {"n_estimators": 5, "random_state": 0}
XGB: dict[str, Any] = {**FEW, "n_jobs": 1, "max_depth": 3}
LGB: dict[str, Any] = {**FEW, "verbose": -1, "min_child_samples": 5, "n_jobs": 1, "num_leaves": 8}
SEED: dict[str, Any] = {"random_state": 0}


def encoded(words: Any, *, numbers: Any = None, sparse: float = 0.0) -> ColumnTransformer:
    """Return transformers of the mixed table: ``words`` for the words, else filled numbers."""
    numbers = numbers or make_pipeline(SimpleImputer(), preprocessing.StandardScaler())
    return ColumnTransformer(
        [("numbers", numbers, ["a", "b", "open"]), ("words", words, ["city", "size"])],
        sparse_threshold=sparse,
    )


def one_hot(**options: Any) -> Any:
    return preprocessing.OneHotEncoder(handle_unknown="ignore", **options)


def forest(**options: Any) -> Any:
    return ensemble.RandomForestClassifier(**{**FEW, **options})


def forest_of_numbers(**options: Any) -> Any:
    return ensemble.RandomForestRegressor(**{**FEW, **options})


def logistic() -> Any:
    return lm.LogisticRegression()


def early_stopped(model: Any, table: pd.DataFrame, target: Any) -> Any:
    """Fit with rows held out to stop at."""
    half = len(table) // 2
    watched = [(table[half:], target[half:])]
    if isinstance(model, xgb.XGBModel):
        return model.fit(table[:half], target[:half], eval_set=watched, verbose=False)
    stop = [lgb.early_stopping(3, verbose=False)]
    return model.fit(table[:half], target[:half], eval_set=watched, callbacks=stop)


def linear_kinds() -> list[Kind]:
    """Return models that are linear in numbers, alone and behind transformers."""
    of_numbers: dict[str, Any] = {
        "least squares": lm.LinearRegression(),
        "ridge": lm.Ridge(),
        "ridge, searched": lm.RidgeCV(),
        "lasso": lm.Lasso(0.1),
        "lasso, least angles": lm.LassoLars(0.01),
        "elastic net": lm.ElasticNet(0.1),
        "orthogonal matching": lm.OrthogonalMatchingPursuit(n_nonzero_coefs=2),
        "bayesian ridge": lm.BayesianRidge(),
        "relevance": lm.ARDRegression(),
        "huber": lm.HuberRegressor(),
        "quantile": lm.QuantileRegressor(solver="highs"),
        "theil-sen": lm.TheilSenRegressor(max_subpopulation=50, **SEED),
        "ransac": lm.RANSACRegressor(**SEED),
        "sgd": lm.SGDRegressor(**SEED),
        "linear svr": svm.LinearSVR(**SEED),
        "pls": cross_decomposition.PLSRegression(2),
        "voting of linear": ensemble.VotingRegressor([("a", lm.Ridge()), ("b", lm.Lasso(0.1))]),
        "bagged ridge": ensemble.BaggingRegressor(lm.Ridge(), 4, max_features=0.7, **SEED),
        "stack of linear": ensemble.StackingRegressor([("a", lm.Ridge()), ("b", lm.Lasso())], cv=2),
        "scaler, search": search.GridSearchCV(
            make_pipeline(preprocessing.RobustScaler(), lm.Ridge()), {"ridge__alpha": [1, 9]}, cv=2
        ),
        "splines, ridge": make_pipeline(preprocessing.SplineTransformer(), lm.Ridge()),
        "bins, ridge": make_pipeline(
            preprocessing.KBinsDiscretizer(4, quantile_method="averaged_inverted_cdf"), lm.Ridge()
        ),
        "selected, ridge": make_pipeline(SelectKBest(k=2), lm.Ridge()),
    }
    of_yes: dict[str, Any] = {
        "logistic": logistic(),
        "logistic, searched": lm.LogisticRegressionCV(
            cv=2, Cs=2, l1_ratios=(0.0,), use_legacy_attributes=False, scoring="accuracy"
        ),
        "ridge classifier": lm.RidgeClassifier(),
        "perceptron": lm.Perceptron(**SEED),
        "linear svc": svm.LinearSVC(**SEED),
        "discriminant": discriminant_analysis.LinearDiscriminantAnalysis(),
        "tuned threshold": search.TunedThresholdClassifierCV(logistic(), cv=2),
        "fixed threshold": search.FixedThresholdClassifier(logistic(), threshold=0.3),
        "quantiles, logistic": make_pipeline(
            preprocessing.QuantileTransformer(n_quantiles=20), logistic()
        ),
        "random search": search.RandomizedSearchCV(logistic(), {"C": [1, 9]}, n_iter=1, cv=2),
    }
    mixed: dict[str, Any] = {
        "one-hot, logistic": make_pipeline(encoded(one_hot()), logistic()),
        "sparse one-hot, logistic": make_pipeline(encoded(one_hot(), sparse=1.0), logistic()),
        "target encoder, logistic": make_pipeline(
            encoded(preprocessing.TargetEncoder(cv=2, **SEED)), logistic()
        ),
        "ordinal, sgd": make_pipeline(
            encoded(preprocessing.OrdinalEncoder()),
            lm.SGDClassifier(loss="log_loss", alpha=1, **SEED),
        ),
    }
    gaps = make_pipeline(SimpleImputer(add_indicator=True), logistic())
    booster = xgb.XGBRegressor(booster="gblinear", n_estimators=5, n_jobs=1)
    one_each = multioutput.MultiOutputRegressor(lm.Ridge())
    return [
        *(Kind(name, model, "number", LINEAR) for name, model in of_numbers.items()),
        *(Kind(name, model, "yes", LINEAR) for name, model in of_yes.items()),
        *(Kind(name, model, "yes", LINEAR, "mixed") for name, model in mixed.items()),
        Kind("logistic of three", logistic(), "three", LINEAR),
        Kind("one against the rest", multiclass.OneVsRestClassifier(logistic()), "three", LINEAR),
        Kind("labels, linear", multioutput.MultiOutputClassifier(logistic()), "labels", LINEAR),
        Kind("one each, linear", one_each, "numbers", LINEAR),
        Kind("lasso of two", lm.MultiTaskLasso(0.1), "numbers", LINEAR),
        Kind("poisson", lm.PoissonRegressor(), "count", LINEAR),
        Kind("gamma", lm.GammaRegressor(), "positive", LINEAR),
        Kind("tweedie", lm.TweedieRegressor(power=1.5), "positive", LINEAR),
        Kind("gaps, logistic", gaps, "yes", LINEAR, "gaps"),
        Kind("xgboost linear", booster, "number", LINEAR),
    ]


def tree_kinds() -> list[Kind]:
    """Return trees, forests, boosting and sums of them."""
    boosting, histogram = ensemble.GradientBoostingRegressor, ensemble.HistGradientBoostingRegressor
    of_numbers: dict[str, Any] = {
        "tree": tree.DecisionTreeRegressor(**SEED),
        "extra tree": tree.ExtraTreeRegressor(**SEED),
        "forest of numbers": forest_of_numbers(),
        "extra trees of numbers": ensemble.ExtraTreesRegressor(**FEW),
        "boosting": boosting(**FEW),
        "boosting, huber": boosting(**FEW, loss="huber"),
        "boosting, quantile": boosting(**FEW, loss="quantile"),
        "histogram": histogram(max_iter=5, max_depth=3),
        "xgboost": xgb.XGBRegressor(**XGB),
        "xgboost, dart": xgb.XGBRegressor(**XGB, booster="dart", rate_drop=0.3),
        "xgboost forest": xgb.XGBRFRegressor(**XGB),
        "xgboost, early": xgb.XGBRegressor(**{**XGB, "n_estimators": 30}, early_stopping_rounds=3),
        "lightgbm": lgb.LGBMRegressor(**LGB),
        "lightgbm, dart": lgb.LGBMRegressor(**LGB, boosting_type="dart"),
        "lightgbm, forest": lgb.LGBMRegressor(
            **LGB, boosting_type="rf", subsample=0.7, subsample_freq=1
        ),
        "lightgbm, early": lgb.LGBMRegressor(**{**LGB, "n_estimators": 30}),
        "voting": ensemble.VotingRegressor(
            [("a", forest_of_numbers()), ("b", boosting(**FEW)), ("c", lm.Ridge())],
            weights=[2, 1, 3],
        ),
        "bagged trees": ensemble.BaggingRegressor(
            n_estimators=5, max_features=0.6, bootstrap_features=True, **SEED
        ),
        "stack": ensemble.StackingRegressor(
            [("a", forest_of_numbers()), ("b", lm.Ridge())], cv=2, passthrough=True
        ),
        "scaler, forest": make_pipeline(preprocessing.StandardScaler(), forest_of_numbers()),
    }
    of_flags: dict[str, Any] = {
        "forest": forest(),
        "extra trees": ensemble.ExtraTreesClassifier(**FEW),
        "boosting of two": ensemble.GradientBoostingClassifier(**FEW),
        "xgboost of two": xgb.XGBClassifier(**XGB),
        "lightgbm of two": lgb.LGBMClassifier(**LGB),
        "adaboost": ensemble.AdaBoostClassifier(**FEW),
        "soft voting": ensemble.VotingClassifier([("a", forest()), ("b", forest())], voting="soft"),
        "bagged forests": ensemble.BaggingClassifier(forest(), 3, **SEED),
        "stack of forests": ensemble.StackingClassifier([("a", forest())], cv=2),
        "self-trained": semi_supervised.SelfTrainingClassifier(forest()),
        "recursive selection": make_pipeline(RFE(forest(), n_features_to_select=2), forest()),
    }
    of_three: dict[str, Any] = {
        "forest of three": forest(class_weight="balanced"),
        "boosting of three": ensemble.GradientBoostingClassifier(**FEW),
        "histogram of three": ensemble.HistGradientBoostingClassifier(max_iter=5),
        "xgboost of three": xgb.XGBClassifier(**XGB),
        "lightgbm of three": lgb.LGBMClassifier(**LGB),
        "adaboost of three": ensemble.AdaBoostClassifier(
            tree.DecisionTreeClassifier(max_depth=2), **FEW
        ),
    }
    mixed: dict[str, Any] = {
        "one-hot, forest": make_pipeline(encoded(one_hot()), forest()),
        "one-hot, boosting": make_pipeline(
            encoded(one_hot()), ensemble.GradientBoostingClassifier(**FEW)
        ),
        "ordinal, histogram": make_pipeline(
            encoded(preprocessing.OrdinalEncoder(), numbers="passthrough"),
            ensemble.HistGradientBoostingClassifier(max_iter=5),
        ),
        "sparse one-hot, xgboost": make_pipeline(
            encoded(one_hot(), sparse=1.0), xgb.XGBClassifier(**XGB)
        ),
        "one-hot, lightgbm": make_pipeline(encoded(one_hot()), lgb.LGBMClassifier(**LGB)),
        "target encoder, forest": make_pipeline(
            encoded(preprocessing.TargetEncoder(cv=2, **SEED)), forest()
        ),
    }
    counts = {
        "histogram, counts": histogram(loss="poisson", max_iter=5),
        "xgboost, counts": xgb.XGBRegressor(**XGB, objective="count:poisson"),
        "lightgbm, counts": lgb.LGBMRegressor(**LGB, objective="poisson"),
    }
    early = {"xgboost, early", "lightgbm, early"}
    each = multioutput.MultiOutputRegressor(boosting(**FEW))
    labels = multioutput.MultiOutputClassifier(forest())
    isolation_of_some = ensemble.IsolationForest(**FEW, max_features=0.5)
    return [
        *(
            Kind(name, model, "number", TREE, fit=early_stopped if name in early else None)
            for name, model in of_numbers.items()
        ),
        *(Kind(name, model, "flag", TREE) for name, model in of_flags.items()),
        *(Kind(name, model, "three", TREE) for name, model in of_three.items()),
        *(Kind(name, model, "flag", TREE, "mixed") for name, model in mixed.items()),
        *(Kind(name, model, "count", TREE) for name, model in counts.items()),
        Kind("xgboost, gaps", xgb.XGBClassifier(**XGB), "flag", TREE, "gaps"),
        Kind("lightgbm, gaps", lgb.LGBMClassifier(**LGB), "flag", TREE, "gaps"),
        Kind("forest, gaps", forest(), "three", TREE, "gaps"),
        Kind("forest, labels", forest(), "labels", TREE),
        Kind("forest of two numbers", forest_of_numbers(), "numbers", TREE),
        Kind("boosting each", each, "numbers", TREE),
        Kind("forests, labels", labels, "labels", TREE),
        Kind("xgboost of two numbers", xgb.XGBRegressor(**XGB), "numbers", TREE),
        Kind("xgboost, labels", xgb.XGBClassifier(**XGB), "labels", TREE),
        Kind("isolation", ensemble.IsolationForest(**FEW), "none", TREE),
        Kind("isolation, some columns", isolation_of_some, "none", TREE),
        *native_kinds(),
        *catboost_kinds(),
    ]


def native_kinds() -> list[Kind]:
    """Return boosting that splits on categories itself."""
    listed = xgb.XGBClassifier(**XGB, enable_categorical=True, max_cat_to_onehot=1)
    single = xgb.XGBClassifier(**XGB, enable_categorical=True, max_cat_to_onehot=9)
    histogram = ensemble.HistGradientBoostingClassifier(max_iter=5)
    lightgbm = {**LGB, "cat_smooth": 1, "min_data_per_group": 1}
    of_flags: dict[str, Any] = {
        "xgboost, categories": listed,
        "xgboost, single categories": single,
        "lightgbm, categories": lgb.LGBMClassifier(**lightgbm, max_cat_to_onehot=1),
        "lightgbm, single categories": lgb.LGBMClassifier(**lightgbm, max_cat_to_onehot=9),
        "histogram, categories": histogram,
    }
    return [
        *(Kind(name, model, "flag", TREE, "native") for name, model in of_flags.items()),
        Kind(
            "lightgbm, numbered categories",
            lgb.LGBMClassifier(**lightgbm, max_cat_to_onehot=1),
            "odd",
            TREE,
            "codes",
            fit=lambda model, table, target: model.fit(
                table, target, categorical_feature=["city", "floor"]
            ),
        ),
        Kind("histogram, categories of three", clone(histogram), "three", TREE, "native"),
    ]


def catboost_kinds() -> list[Kind]:
    """Return CatBoost's models: numbers, one-hot categories and statistics of categories."""
    few: dict[str, Any] = {"iterations": 5, "depth": 3, "verbose": 0, "random_state": 0}
    few["allow_writing_files"] = False
    words = {"cat_features": ["city", "size"]}
    of_one, of_number = catboost.CatBoostClassifier, catboost.CatBoostRegressor
    pairs = of_one(**few, **words, one_hot_max_size=1, max_ctr_complexity=2)
    leaves = of_number(**few, grow_policy="Lossguide")
    return [
        Kind("catboost", of_number(**few), "number", TREE),
        Kind("catboost of two", of_one(**few), "yes", TREE),
        Kind("catboost of three", of_one(**few), "three", TREE),
        Kind("catboost, counts", of_number(**few, loss_function="Poisson"), "count", TREE),
        Kind("catboost, gaps", of_one(**few, nan_mode="Max"), "flag", TREE, "gaps"),
        Kind(
            "catboost, one-hot", of_one(**few, **words, one_hot_max_size=9), "flag", TREE, "words"
        ),
        Kind(
            "catboost, statistics",
            of_one(**few, **words, one_hot_max_size=1, max_ctr_complexity=1),
            "flag",
            TREE,
            "words",
        ),
        Kind("catboost, pairs of categories", pairs, "xor", ENUMERATED, "words"),
        Kind("catboost, leaf by leaf", leaves, "number", ENUMERATED),
    ]


def opaque_kinds() -> list[Kind]:
    """Return models that are known through their answers alone."""
    of_numbers: dict[str, Any] = {
        "svr": svm.SVR(),
        "nu-svr": svm.NuSVR(),
        "nearest of numbers": neighbors.KNeighborsRegressor(),
        "network of numbers": neural_network.MLPRegressor(
            hidden_layer_sizes=(5,), max_iter=20, **SEED
        ),
        "gaussian process": gaussian_process.GaussianProcessRegressor(alpha=0.1),
        "kernel ridge": kernel_ridge.KernelRidge(kernel="rbf"),
        "adaboost of numbers": ensemble.AdaBoostRegressor(**FEW),
        "log of the target": TransformedTargetRegressor(
            forest_of_numbers(), func=np.arcsinh, inverse_func=np.sinh
        ),
        "polynomial, ridge": make_pipeline(preprocessing.PolynomialFeatures(2), lm.Ridge()),
        "components, ridge": make_pipeline(PCA(2), lm.Ridge()),
        "union, ridge": make_pipeline(
            FeatureUnion([("a", PCA(1)), ("b", preprocessing.StandardScaler())]), lm.Ridge()
        ),
        "kernel map, ridge": make_pipeline(Nystroem(n_components=9, **SEED), lm.Ridge()),
        "projection, forest": make_pipeline(
            random_projection.GaussianRandomProjection(2, **SEED), forest_of_numbers()
        ),
        "stack on a network": ensemble.StackingRegressor(
            [("a", lm.Ridge()), ("b", neighbors.KNeighborsRegressor())], cv=2
        ),
        "boosting from a model": ensemble.GradientBoostingRegressor(**FEW, init=lm.Ridge()),
        "lightgbm, linear leaves": lgb.LGBMRegressor(**LGB, linear_tree=True),
        "constant": dummy.DummyRegressor(),
        "isotonic": make_pipeline(
            ColumnTransformer([("a", "passthrough", ["a"])]), isotonic.IsotonicRegression()
        ),
    }
    of_yes: dict[str, Any] = {
        "svc": svm.SVC(),
        "nearest": neighbors.KNeighborsClassifier(),
        "nearest within": neighbors.RadiusNeighborsClassifier(5.0),
        "network": neural_network.MLPClassifier((5,), max_iter=20, **SEED),
        "gaussian bayes": naive_bayes.GaussianNB(),
        "bernoulli bayes": naive_bayes.BernoulliNB(),
        "quadratic": discriminant_analysis.QuadraticDiscriminantAnalysis(),
        "gaussian process of two": gaussian_process.GaussianProcessClassifier(),
        "label spreading": semi_supervised.LabelSpreading(),
        "hard voting": ensemble.VotingClassifier([("a", logistic()), ("b", forest())]),
        "voting of unlike": ensemble.VotingClassifier(
            [("a", logistic()), ("b", forest())], voting="soft"
        ),
        "calibrated": calibration.CalibratedClassifierCV(logistic(), cv=2),
        "calibrated, isotonic": calibration.CalibratedClassifierCV(
            forest(), method="isotonic", cv=2
        ),
        "bagged nearest": ensemble.BaggingClassifier(neighbors.KNeighborsClassifier(), 3, **SEED),
        "stack of unlike": ensemble.StackingClassifier(
            [("a", logistic()), ("b", naive_bayes.GaussianNB())], cv=2
        ),
    }
    of_three: dict[str, Any] = {
        "svc of three": svm.SVC(),
        "network of three": neural_network.MLPClassifier((5,), max_iter=20, **SEED),
        "nearest centre": neighbors.NearestCentroid(),
        "one against one": multiclass.OneVsOneClassifier(logistic()),
        "output codes": multiclass.OutputCodeClassifier(logistic(), **SEED),
        "forests against the rest": multiclass.OneVsRestClassifier(forest()),
    }
    alone: dict[str, Any] = {
        "one-class svm": svm.OneClassSVM(),
        "local outliers": neighbors.LocalOutlierFactor(novelty=True),
        "k-means": cluster.KMeans(3, n_init=1, **SEED),
        "small batches": cluster.MiniBatchKMeans(3, n_init=1, **SEED),
        "mean shift": cluster.MeanShift(bandwidth=2.0),
        "birch": cluster.Birch(n_clusters=3),
        "mixture": mixture.GaussianMixture(2, **SEED),
    }
    chain = multioutput.ClassifierChain(logistic())
    knn = make_pipeline(KNNImputer(), forest())
    words = make_pipeline(encoded(one_hot()), neighbors.KNeighborsClassifier())
    product = gaussian_process.GaussianProcessRegressor(alpha=0.1)
    return [
        *(Kind(name, model, "number", ENUMERATED) for name, model in of_numbers.items()),
        *(Kind(name, model, "yes", ENUMERATED) for name, model in of_yes.items()),
        *(Kind(name, model, "three", ENUMERATED) for name, model in of_three.items()),
        *(Kind(name, model, "none", ENUMERATED) for name, model in alone.items()),
        Kind("multinomial bayes", naive_bayes.MultinomialNB(), "three", LINEAR, "positive"),
        Kind("chain", chain, "labels", ENUMERATED),
        Kind("chain of numbers", multioutput.RegressorChain(lm.Ridge()), "numbers", ENUMERATED),
        Kind("nearest, labels", neighbors.KNeighborsClassifier(), "labels", ENUMERATED),
        Kind("nearest, threes", neighbors.KNeighborsClassifier(), "threes", ENUMERATED),
        Kind("processes", product, "numbers", ENUMERATED),
        Kind("filled by neighbours", knn, "yes", ENUMERATED, "gaps"),
        Kind("one-hot, nearest", words, "yes", ENUMERATED, "mixed"),
    ]


ZOO = {kind.name: kind for kind in (*linear_kinds(), *tree_kinds(), *opaque_kinds())}


def markdown_table() -> str:
    """Return the zoo as a table: what each is made of, and which route explains it."""
    lines = ["| kind | estimator | table | route |", "|---|---|---|---|"]
    lines += [
        f"| {kind.name} | {_classes(kind.model)} | {kind.table} | {kind.route} |"
        for kind in ZOO.values()
    ]
    return "\n".join(lines) + "\n"


def _classes(model: Any) -> str:
    """Return the class of a model, and of the steps of a pipeline."""
    steps = [step for _, step in model.steps] if isinstance(model, Pipeline) else [model]
    return " → ".join(f"`{type(step).__name__}`" for step in steps)


if __name__ == "__main__":
    sys.stdout.write(markdown_table())
