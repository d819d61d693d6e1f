"""Which package of the index a module comes from, for libraries that model files name.

Owns: ``package_of``. A module's name is rarely wrong as a package's name, but a wrong guess could
make somebody install a stranger's package; therefore only what stands here is ever suggested.
"""

from __future__ import annotations

_SAME_NAME = (
    "autogluon catboost cloudpickle cuml dill econml fairlearn flaml gensim gplearn h2o hdbscan "
    "hmmlearn hyperopt implicit joblib keras kmodes lifelines lightgbm lime mlflow mlxtend mord "
    "ngboost nltk numba numpy onnxruntime optuna pandas pmdarima polars prophet pyarrow pycaret "
    "pygam pyod sktime scikeras scipy shap skl2onnx skops skorch spacy statsmodels tensorflow "
    "textblob torch tpot transformers tslearn vecstack xgboost"
)
_OTHER_NAME = {
    "boruta": "Boruta",
    "bs4": "beautifulsoup4",
    "category_encoders": "category-encoders",
    "cv2": "opencv-python",
    "dask_ml": "dask-ml",
    "deepforest": "deep-forest",
    "fbprophet": "prophet",
    "feature_engine": "feature-engine",
    "imblearn": "imbalanced-learn",
    "PIL": "pillow",
    "pytorch_tabnet": "pytorch-tabnet",
    "sentence_transformers": "sentence-transformers",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "sklearn_crfsuite": "sklearn-crfsuite",
    "sklearn_pandas": "sklearn-pandas",
    "sklego": "scikit-lego",
    "skmultilearn": "scikit-multilearn",
    "skopt": "scikit-optimize",
    "sksurv": "scikit-survival",
    "surprise": "scikit-surprise",
    "umap": "umap-learn",
    "unidecode": "Unidecode",
    "yaml": "pyyaml",
}


def package_of(module: str) -> str | None:
    """Return the package that holds a module, None for a module that is not known here.

    Examples
    --------
    >>> package_of("imblearn.pipeline"), package_of("torch.nn"), package_of("my_project.features")
    ('imbalanced-learn', 'torch', None)
    """
    root = module.split(".", maxsplit=1)[0]
    return _OTHER_NAME.get(root) or (root if root in _SAME_NAME.split() else None)
