"""A recommender for tests: everything that is not in the history, by a hash, with ties."""

from persongen_bench.core.output import Ranking
from persongen_bench.core.request import Failure
from persongen_bench.core.types import content_hash
from persongen_bench.methods._items import FromCatalog


class HashList(FromCatalog):
    """The same for every user but for the history; scores are tied in pairs."""

    makes = "ranking"

    def generate(self, samples):
        return [self._one(sample.request) for sample in samples]

    def _one(self, request):
        if request.user_id == "nobody":
            return Failure("method_error", "unknown user")
        ids = [item for item in self._train.catalog.ids if item not in request.history]
        ids = sorted(ids, key=lambda item: content_hash("hash list", item))
        return Ranking(tuple(ids), tuple(-float(k // 2) for k in range(len(ids))))
