"""scikit-learn models through skl2onnx: slipway answers as scikit-learn does, on scikit-learn's bundled data sets."""
import warnings

import numpy as np
import pytest
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn import datasets
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    BayesianRidge,
    ElasticNet,
    Lasso,
    LinearRegression,
    LogisticRegression,
    Perceptron,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import BernoulliNB, GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import SVC, SVR, LinearSVC, NuSVC, OneClassSVM
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

ROWS = 60  # of each data set are predicted

SETS = {
    "iris": datasets.load_iris,
    "wine": datasets.load_wine,
    "cancer": datasets.load_breast_cancer,
    "digits": datasets.load_digits,
    "diabetes": datasets.load_diabetes,
}

CLASSIFIERS = [
    ("iris", LogisticRegression(max_iter=500)),
    ("cancer", make_pipeline(StandardScaler(), LogisticRegression())),
    ("iris", OneVsRestClassifier(LogisticRegression())),
    ("iris", make_pipeline(StandardScaler(), SGDClassifier(loss="log_loss", random_state=0))),
    ("iris", RidgeClassifier()),
    ("wine", make_pipeline(MinMaxScaler(), Perceptron(random_state=0))),
    ("iris", LinearSVC(random_state=0)),
    ("wine", make_pipeline(RobustScaler(), NuSVC(nu=0.2))),
    ("iris", SVC()),
    ("cancer", make_pipeline(StandardScaler(), SVC(kernel="poly"))),
    ("wine", make_pipeline(StandardScaler(), SVC(kernel="sigmoid"))),
    ("iris", NuSVC()),
    ("wine", DecisionTreeClassifier(random_state=0)),
    ("digits", RandomForestClassifier(40, random_state=0)),
    ("cancer", RandomForestClassifier(30, max_depth=4, random_state=0)),
    ("digits", ExtraTreesClassifier(20, random_state=0)),
    ("cancer", GradientBoostingClassifier(n_estimators=30, random_state=0)),
    ("iris", GradientBoostingClassifier(n_estimators=20, random_state=0)),
    ("iris", AdaBoostClassifier(n_estimators=10, random_state=0)),
    ("iris", BaggingClassifier(n_estimators=5, random_state=0)),
    ("iris", VotingClassifier([("a", GaussianNB()), ("b", LogisticRegression(max_iter=500))], voting="soft", flatten_transform=False)),
    ("iris", StackingClassifier([("a", GaussianNB()), ("b", DecisionTreeClassifier(random_state=0))])),
    ("iris", GaussianNB()),
    ("digits", MultinomialNB()),
    ("digits", make_pipeline(Binarizer(threshold=8), BernoulliNB())),
    ("iris", KNeighborsClassifier()),
    ("iris", make_pipeline(PCA(2), LinearDiscriminantAnalysis())),
    ("iris", make_pipeline(StandardScaler(), MLPClassifier(hidden_layer_sizes=(8,), max_iter=400, random_state=0))),
]

REGRESSORS = [
    LinearRegression(),
    Ridge(),
    Lasso(alpha=0.1),
    ElasticNet(alpha=0.1),
    BayesianRidge(),
    make_pipeline(PolynomialFeatures(2), Ridge()),
    SVR(C=100),
    make_pipeline(MaxAbsScaler(), SVR(kernel="linear", C=50)),
    DecisionTreeRegressor(random_state=0),
    RandomForestRegressor(30, random_state=0),
    ExtraTreesRegressor(20, random_state=0),
    GradientBoostingRegressor(n_estimators=30, random_state=0),
    KNeighborsRegressor(),
    GaussianProcessRegressor(),
    make_pipeline(StandardScaler(), MLPRegressor(hidden_layer_sizes=(8,), max_iter=800, random_state=0)),
]

TRANSFORMERS = [
    StandardScaler(),
    MinMaxScaler(),
    Normalizer("l1"),
    Normalizer("l2"),
    Normalizer("max"),
    Binarizer(threshold=1.5),
    PolynomialFeatures(2),
    KBinsDiscretizer(4, encode="onehot-dense", quantile_method="averaged_inverted_cdf"),
    PCA(3),
    TruncatedSVD(2),
    KMeans(3, n_init=1, random_state=0),
]


def label(value):
    if isinstance(value, tuple):
        return f"{value[0]}-{label(value[1])}"
    steps = getattr(value, "steps", None)
    return "+".join(type(step).__name__ for _, step in steps) if steps else type(value).__name__


def converted(classifier, x):
    try:
        return to_onnx(classifier, x[:1], options={"zipmap": False})
    except NameError:  # it has no probabilities, and so no maps of them
        return to_onnx(classifier, x[:1])


def learn(model, x, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(x, y)


@pytest.mark.parametrize("case", CLASSIFIERS, ids=label)
def test_classifier(verify, case):
    data, estimator = case
    x, y = SETS[data](return_X_y=True)
    x = x.astype(np.float32)
    learn(estimator, x, y)
    rows = x[:: len(x) // ROWS]
    expected = [estimator.predict(rows)]
    if hasattr(estimator, "predict_proba"):
        expected.append(estimator.predict_proba(rows).astype(np.float32))
    verify(converted(estimator, x), [rows], expected, rtol=1e-3)


@pytest.mark.parametrize("estimator", REGRESSORS, ids=label)
def test_regressor(verify, estimator):
    x, y = datasets.load_diabetes(return_X_y=True)
    x = x.astype(np.float32)
    learn(estimator, x, y)
    expected = estimator.predict(x[:ROWS]).astype(np.float32).reshape(-1, 1)
    verify(to_onnx(estimator, x[:1]), [x[:ROWS]], [expected], rtol=1e-3, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize("estimator", TRANSFORMERS, ids=label)
def test_transformer(verify, estimator):
    x, y = datasets.load_iris(return_X_y=True)
    x = x.astype(np.float32)
    learn(estimator, x, y)
    rows = x[:ROWS]
    expected = [estimator.predict(rows).astype(np.int64)] if hasattr(estimator, "predict") else []
    verify(to_onnx(estimator, x[:1]), [rows], [*expected, estimator.transform(rows).astype(np.float32)], atol=1e-4)


@pytest.mark.parametrize("estimator", [OneClassSVM(nu=0.1), IsolationForest(n_estimators=20, random_state=0)], ids=label)
def test_outliers(verify, estimator):
    x = datasets.load_iris().data.astype(np.float32)
    estimator.fit(x)
    rows = x[:ROWS]
    expected = [v.reshape(-1, 1) for v in (estimator.predict(rows).astype(np.int64), estimator.decision_function(rows).astype(np.float32))]
    verify(to_onnx(estimator, x[:1], target_opset={"": 18, "ai.onnx.ml": 3}), [rows], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "estimator", [RandomForestClassifier(10, random_state=0), SVC(), LogisticRegression(max_iter=500)], ids=label
)
def test_names_of_classes(verify, estimator):
    data = datasets.load_iris()
    x, names = data.data.astype(np.float32), data.target_names[data.target]
    estimator.fit(x, names)
    verify(to_onnx(estimator, x[:1], options={"zipmap": False}), [x[::3]], [estimator.predict(x[::3])])


@pytest.mark.parametrize("names", [False, True])
def test_scores_as_maps(verify, names):
    data = datasets.load_iris()
    x, y = data.data.astype(np.float32), data.target_names[data.target] if names else data.target
    forest = RandomForestClassifier(10, random_state=0).fit(x, y)
    scores = forest.predict_proba(x[::30]).astype(np.float32)
    maps = [dict(zip(forest.classes_.tolist(), map(np.float32, row), strict=True)) for row in scores]
    verify(to_onnx(forest, x[:1]), [x[::30]], [forest.predict(x[::30]), maps])


def test_missing_values_and_categories(verify):
    """A table of numbers with gaps beside words: imputed, scaled, one-hot, then classified."""
    numbers, y = datasets.load_wine(return_X_y=True)
    numbers = numbers[:, :4].astype(np.float32)
    numbers[::7, 1] = np.nan
    words = np.array(["red", "dry", "sweet"])[(np.arange(len(y)) * 7) % 3].reshape(-1, 1)
    table = np.empty((len(y), 5), dtype=object)
    table[:, :4], table[:, 4:] = numbers, words
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), [0, 1, 2, 3]),
            ("words", OneHotEncoder(handle_unknown="ignore"), [4]),
        ]
    )
    pipeline = make_pipeline(columns, LogisticRegression(max_iter=500)).fit(table, y)
    types = [(f"n{i}", FloatTensorType([None, 1])) for i in range(4)] + [("w", StringTensorType([None, 1]))]
    model = to_onnx(pipeline, initial_types=types, options={"zipmap": False})
    inputs = [*(numbers[:ROWS, i : i + 1] for i in range(4)), words[:ROWS]]
    verify(model, inputs, [pipeline.predict(table[:ROWS]), pipeline.predict_proba(table[:ROWS]).astype(np.float32)])


@pytest.mark.parametrize("vectorizer", [CountVectorizer(), TfidfVectorizer(ngram_range=(1, 2))], ids=label)
def test_text(verify, vectorizer):
    texts = np.array(["the ship is built here", "a slip is the way to the water", "the way is long", "water is here"])
    pipeline = make_pipeline(vectorizer, LogisticRegression()).fit(texts, [0, 1, 1, 0])
    model = to_onnx(pipeline, initial_types=[("X", StringTensorType([None, 1]))], options={"zipmap": False})
    verify(model, [texts.reshape(-1, 1)], [pipeline.predict(texts), pipeline.predict_proba(texts).astype(np.float32)])


def test_ordinal_encoder(verify):
    words = np.array([["b", "x"], ["a", "y"], ["c", "x"]])
    encoder = OrdinalEncoder(dtype=np.int64).fit(words)
    verify(to_onnx(encoder, initial_types=[("X", StringTensorType([None, 2]))]), [words], [encoder.transform(words)])


def test_forest_of_every_version(verify):
    """The older forms and TreeEnsemble answer alike, whatever the batch."""
    x, y = datasets.load_diabetes(return_X_y=True)
    x = x.astype(np.float32)
    forest = RandomForestRegressor(20, max_depth=8, random_state=0).fit(x, y)
    for version in 1, 3:
        model = to_onnx(forest, x[:1], target_opset={"": 18, "ai.onnx.ml": version})
        for rows in x[:1], x[:7], x:
            expected = forest.predict(rows).astype(np.float32).reshape(-1, 1)
            verify(model, [rows], [expected], rtol=1e-5)
