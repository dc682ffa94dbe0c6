"""One LoRA for everybody."""

from __future__ import annotations

from typing import ClassVar

from finetune_case import QUICK, USERS, WORLD, DiffusionMethodContract, bytes_of, fitted

from persongen_bench.core.request import Request, plan_samples
from persongen_bench.methods.finetune.config import LoraSharedConfig
from persongen_bench.methods.finetune.studio import Learned, Studio
from persongen_bench.methods.lora_shared import EVERYBODY, LoraShared

TIER = {"rank": 2, "n_steps": 2}


class TestLoraShared(DiffusionMethodContract):
    method = LoraShared
    config: ClassVar = {**QUICK, "tier": TIER}


def asked(users, n_images=1):
    return plan_samples({}, [Request(user, (), n_images) for user in users])


def test_paper_preset_is_table_4():
    # 001, appendix G, Table 4: rank 512, alpha 512, dropout 0.05, 10000 steps, warm-up 1000.
    tier = LoraSharedConfig.model_validate(LoraShared.presets["paper"]).tier
    found = (tier.rank, tier.alpha, tier.dropout, tier.n_steps, tier.n_warmup_steps)
    assert found == (512, 512, 0.05, 10_000, 1000)


def test_everybodys_likes_are_learned_with_everybodys_tags(monkeypatch):
    found = []
    real = Studio.lora

    def record(self, owner, rows, tier) -> Learned:
        found.append((owner, rows))
        return real(self, owner, rows, tier)

    monkeypatch.setattr(Studio, "lora", record)
    fitted(LoraShared, changes={"users": USERS[:1]}, tier=TIER)
    ((owner, rows),) = found
    assert owner == EVERYBODY
    # All six users, not only the one who will be asked for.
    expected = [(u, item) for u in USERS for item in WORLD.train.liked_items[u]]
    tags = [f"<u{USERS.index(user)}> " for user, _ in expected]
    assert [row.item_id for row in rows] == [item for _, item in expected]
    assert all(row.caption.startswith(tag) for row, tag in zip(rows, tags, strict=True))


def test_users_differ_by_their_noise_alone_unless_named():
    method = fitted(LoraShared, tier=TIER)
    (one,) = asked(USERS[:1])
    other = type(one)(one.sample_id, one.index, Request(USERS[1]))
    nobody = type(one)(one.sample_id, one.index, Request("nobody"))
    first, second, third = bytes_of(method.generate([one, other, nobody]))
    assert first == second == third
    named = fitted(LoraShared, tier=TIER, prompt="{tag} liked image.")
    first, second, third = bytes_of(named.generate([one, other, nobody]))
    assert len({first, second, third}) == 3


def test_one_file_serves_everybody(tmp_path):
    method = fitted(LoraShared, tier=TIER)
    method.save(tmp_path)
    assert len(list(tmp_path.glob("*.safetensors"))) == 1
    assert all(made is not None for made in bytes_of(method.generate(asked(USERS))))
