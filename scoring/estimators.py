"""What is estimated from a population, as scikit-learn estimators: stratum means and Poisson rates with exposure.

Owns the statistics of §5 only. Knows nothing of marts, indicators or methods; a fitted estimator is plain arrays.
"""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, RegressorMixin, TransformerMixin
from sklearn.linear_model import PoissonRegressor
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

Array = np.ndarray[Any, Any]


class StratumMeans(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Replaces each category by the mean of y in it, drawn towards the overall mean where it is thin (p0, §5).

    Parameters
    ----------
    prior_weight : float, default=50.0
        Weight of the overall mean, in units of sample_weight; ≥ 0.

    Attributes
    ----------
    overall_ : float
        Weighted mean of y.
    categories_ : list of ndarray
        Sorted categories of each column.
    means_ : list of ndarray
        Mean of each category: (Σ w·y + prior_weight·overall) / (Σ w + prior_weight).

    Examples
    --------
    >>> import numpy as np
    >>> strata = np.array([[0.0], [0.0], [1.0]])
    >>> StratumMeans(prior_weight=0).fit(strata, [0.1, 0.3, 0.5]).transform([[0.0], [1.0]]).ravel().tolist()
    [0.2, 0.5]
    """

    def __init__(self, prior_weight: float = 50.0) -> None:
        self.prior_weight = prior_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn the means.

        Args:
            X: shape (n, columns), numeric category codes.
            y: shape (n,), the observed ratio of each row.
            sample_weight: shape (n,), exposure of each row, ≥ 0; None: 1 each.

        Raises:
            ValueError: when ``prior_weight`` is negative or all weights are 0 (nothing to learn a mean from).
        """
        X, y = validate_data(self, X, y, y_numeric=True)
        weight = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        if self.prior_weight < 0:
            raise ValueError(f"prior_weight must be 0 or more, got {self.prior_weight}")
        self.overall_ = float(np.average(y, weights=weight))
        self.categories_: list[Array] = []
        self.means_: list[Array] = []
        for column in X.T:
            categories, codes = np.unique(column, return_inverse=True)
            exposure = np.bincount(codes, weights=weight)
            total = np.bincount(codes, weights=weight * y)
            below = exposure + self.prior_weight
            means = np.full(len(categories), self.overall_)
            np.divide(total + self.prior_weight * self.overall_, below, out=means, where=below > 0)
            self.categories_.append(categories)
            self.means_.append(means)
        return self

    def transform(self, X: Any) -> Array:
        """Return the means of the categories of X, same shape; a category never seen gets the overall mean."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        result = np.full(X.shape, self.overall_, dtype=float)
        for index, (categories, means) in enumerate(zip(self.categories_, self.means_, strict=True)):
            position = np.clip(np.searchsorted(categories, X[:, index]), 0, len(categories) - 1)
            known = categories[position] == X[:, index]
            result[known, index] = means[position[known]]
        return result

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


class PoissonRate(RegressorMixin, BaseEstimator):
    """Events per unit of exposure by Poisson regression with log exposure as offset (λ, §5).

    A Poisson count with offset log(exposure) has the same likelihood as the ratio count / exposure weighted by
    exposure, which is how scikit-learn's PoissonRegressor takes it.

    Parameters
    ----------
    alpha : float, default=1e-4
        Ridge penalty on the log rate ratios, per expected event; keeps thin cells near their neighbours; ≥ 0.

    Attributes
    ----------
    overall_ : float
        Events per unit of exposure over all rows.
    regressor_ : PoissonRegressor
        The fitted regression of the rate relative to the overall one.

    Examples
    --------
    >>> import numpy as np
    >>> old = np.array([[0.0], [1.0]])
    >>> rates = PoissonRate(alpha=0).fit(old, [10, 18], exposure=[1000, 1000]).predict(old)
    >>> [round(float(rate), 6) for rate in rates]
    [0.01, 0.018]
    """

    def __init__(self, alpha: float = 1e-4) -> None:
        self.alpha = alpha

    def fit(self, X: Any, y: Any, exposure: Any = None) -> Self:
        """Learn the rates.

        Args:
            X: shape (n, features), numeric.
            y: shape (n,), counts ≥ 0.
            exposure: shape (n,), > 0 (household-months, say); None: 1 each.

        Raises:
            ValueError: when an exposure is not positive or y has a negative count.
        """
        X, y = validate_data(self, X, y, y_numeric=True)
        weight = _check_sample_weight(exposure, X)
        if not (weight > 0).all():
            raise ValueError("every exposure must be positive")
        # relative to the overall rate, or a small rate would make the penalty large
        self.overall_ = float(max(y.sum(), 0.5) / weight.sum())
        expected = weight * self.overall_
        regressor = PoissonRegressor(alpha=self.alpha, solver="newton-cholesky", tol=1e-10, max_iter=200)
        self.regressor_ = regressor.fit(X, y / expected, sample_weight=expected)
        self.n_iter_ = self.regressor_.n_iter_
        return self

    def predict(self, X: Any) -> Array:
        """Return events per unit of exposure, shape (n,), > 0."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        return self.overall_ * self.regressor_.predict(X)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = True
        tags.regressor_tags.poor_score = True
        return tags
