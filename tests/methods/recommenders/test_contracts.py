"""Every recommender keeps the contract of methods, in the ways in which it can be configured."""

from persongen_bench.core import registry
from persongen_bench.testing import MethodContract

CASES = {
    "Popular": ("popular", None),
    "ItemKnn": ("item-knn", None),
    "UserKnn": ("user-knn", {"weighting": "tfidf", "k": 3}),
    "ContentKnn": ("content-knn", None),
    "ContentKnnNeighbours": ("content-knn", {"pool": "neighbours", "k": 4, "n_last": 3}),
    "ContentKnnGraph": ("content-knn", {"search": {"kind": "hnsw", "storage": "int8"}}),
    "Ease": ("ease", None),
    "Item2Vec": ("item2vec", None),
    "Item2VecPaper": ("item2vec", {"init": "features", "n_epochs": 2}),
    "TwoTower": ("two-tower", {"n_epochs": 2}),
    "TwoTowerPaper": ("two-tower", {"items": "ids", "n_epochs": 2, "user": "ids"}),
    "SasRec": ("sasrec", {"n_epochs": 2, "n_last": 4}),
    "SasRecContent": ("sasrec", {"items": "features", "n_epochs": 2, "n_negatives": 10}),
}

for title, (name, config) in CASES.items():
    members = {"method": name, "config": config}
    globals()[f"Test{title}"] = type(f"Test{title}", (MethodContract,), members)


def test_every_recommender_is_here():
    ranking = {
        name
        for name in registry.entries("methods")
        if registry.get("methods", name).__module__.startswith("persongen_bench.methods.recomm")
    }
    assert ranking == {name for name, _ in CASES.values()}
