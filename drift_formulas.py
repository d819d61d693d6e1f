"""How each drift statistic is computed, as a formula in plain characters.

Owns: ``FORMULAS`` and ``formula``. F and G are the distribution functions of reference and current
values, n and m their numbers, N = n + m, p and q the shares of bins or categories.
"""

from __future__ import annotations

FORMULAS: dict[str, str] = {
    "value_distribution": "p = 1.1 · [½ − arctan(Σ wᵢ tan((½ − pᵢ) π) / Σ wᵢ) / π] over "
    "Kolmogorov-Smirnov, Wilcoxon, Mood and Rosenbaum; effect = W₁ / min(std, IQR / 1.349)",
    "category_shares": "p of the chi-square test; effect = ½ Σ |qᵢ − pᵢ|",
    "new_categories": "effect = rows of unseen labels / m; p: exact or normal test of two shares",
    "missing_rate": "effect = missing / rows, current − reference; "
    "p = min(p_up / 0.85, p_down / 0.15)",
    "invalid_rate": "effect = unusable / rows, current − reference; "
    "p = min(p_up / 0.85, p_down / 0.15)",
    "kolmogorov_smirnov": "D = max |F(x) − G(x)|",
    "rank_location": "z = (R − m (N + 1) / 2) / √Var R, R = sum of the current ranks",
    "rank_scale": "z = (M − E M) / √Var M, M = Σ (rank − (N + 1) / 2)² over the current rows",
    "rosenbaum": "p = 2 · C(N − k, n) / C(N, n), k = current values beyond an end of the reference",
    "anderson_darling": "A² = (n m / N) ∫ (F − G)² / (H (1 − H)) dH, H = pooled; then standardised",
    "cramer_von_mises": "T = (n m / N) ∫ (F − G)² dH, H = pooled distribution",
    "wasserstein": "W₁ = ∫ |F(x) − G(x)| dx",
    "wasserstein_normed": "W₁ / std of the reference",
    "energy_distance": "√(2 ∫ (F(x) − G(x))² dx)",
    "psi": "Σ (qᵢ − pᵢ) · ln(qᵢ / pᵢ), bins: deciles of the reference",
    "jensen_shannon": "√(½ KL(p ‖ h) + ½ KL(q ‖ h)), h = (p + q) / 2",
    "hellinger": "√(½ Σ (√pᵢ − √qᵢ)²)",
    "total_variation": "½ Σ |qᵢ − pᵢ|",
    "chi_square": "χ² = Σ (observed − expected)² / expected over the table of counts",
    "g_test": "G = 2 Σ observed · ln(observed / expected)",
    "cramers_v": "V = √(χ² / N) for two samples",
    "unknown_words": "effect = current texts with a word the reference lacks / m − reference texts "
    "with a word that no other one has / n; p = min(p_up / 0.85, p_down / 0.15)",
    "word_shares": "effect = share of current − of reference texts with the most changed word; "
    "p = k · Fisher's exact p, k = words compared",
    "vocabulary_distance": "√(½ KL(p ‖ h) + ½ KL(q ‖ h)), p and q the shares of the words",
    "domain_classifier": "ROC AUC of a classifier that tells current from reference rows",
    "mmd": "mean k(x, x′) + mean k(y, y′) − 2 mean k(x, y), k a Gaussian kernel",
}


def formula(name: str) -> str:
    """Return the formula of a test by the name under which results carry it; empty if unknown.

    Examples
    --------
    >>> formula("kolmogorov_smirnov")
    'D = max |F(x) − G(x)|'
    """
    return FORMULAS.get(name, "")
