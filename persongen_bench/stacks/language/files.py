"""The files of the published language model and of the vision transformer beside it, pinned.

Commits, sizes and checksums as the public manifests of other projects print them, each in at
least two that do not quote one another; nothing was downloaded here. Tests compare the sizes of
the shards with the architecture. Not known, and said so by ``verify``: size of the transformer's
weights and size and checksum of its ``config.json``.

Why these: Qwen2.5-7B-Instruct is the class the track names, follows instructions about JSON, is
Apache-2.0 and needs no remote code (PMG's Llama-2-7b-chat is licensed by request). The vision
transformer of RAGAR is named only as ViT; the one trained on ImageNet-21k is the usual backbone
without the classes of ImageNet-1k in its last layer, and no judge is it.
"""

from __future__ import annotations

from persongen_bench.stacks.published.manifest import HubFile, HubRepo, Manifest

QWEN = HubRepo(
    "Qwen/Qwen2.5-7B-Instruct",
    "a09a35458c702b33eeacc393d103063234e8bc28",
    "Apache-2.0",
    (
        HubFile(
            "config.json",
            663,
            "7463bb0ea78315365e6c6b74de4e73bbcc8359dfb0c5a737584e077d42c0b03c",
        ),
        HubFile(
            "generation_config.json",
            243,
            "3a8f9087e486054c8a4a08dae2e5a3ba62e23da212b5b8c08bc42cb983c3459f",
        ),
        HubFile(
            "tokenizer.json",
            7_031_645,
            "c0382117ea329cdf097041132f6d735924b697924d6f6fc3945713e96ce87539",
        ),
        HubFile(
            "tokenizer_config.json",
            7_305,
            "5b5d4f65d0acd3b2d56a35b56d374a36cbc1c8fa5cf3b3febbbfabf22f359583",
        ),
        HubFile(
            "model.safetensors.index.json",
            27_752,
            "624bf7c47cd12468fdc16e38a47cf4f19e0415b859a223ba3c027eed2f0e1028",
        ),
        HubFile(
            "model-00001-of-00004.safetensors",
            3_945_441_440,
            "a1333e6293854747c481288ea83b348226af178dd565c49b6f9495ba1966aba7",
        ),
        HubFile(
            "model-00002-of-00004.safetensors",
            3_864_726_352,
            "f5d25a2772cb825164a2a2c0fb6d51a87e282abf21e4dd75bc5cfb3cd0ea6185",
        ),
        HubFile(
            "model-00003-of-00004.safetensors",
            3_864_726_424,
            "8efdec4c1bc12317ae1a38dc42b595ce777738a64deea3fcb8a0a91381bcdfd5",
        ),
        HubFile(
            "model-00004-of-00004.safetensors",
            3_556_377_672,
            "1a72d403cdf0c1ec3cb7f289f17b394a01e64394c2e9b3c0f94dbce3faf879bd",
        ),
    ),
)
VIT = HubRepo(
    "google/vit-base-patch16-224-in21k",
    "b4569560a39a0f1af58e3ddaf17facf20ab919b0",
    "Apache-2.0",
    (
        HubFile("config.json", None),
        HubFile(
            "model.safetensors",
            None,
            "fd4e1169c7aa6c2dbfa8a6448be13b35abc0ee256190857c90009d12c094619b",
        ),
    ),
)

LANGUAGE = Manifest(
    "language",
    "A chat model (role llm) and a vision transformer (role vit) for methods that ask for them",
    (QWEN, VIT),
    ("Methods of the track reference, written personas and a judge in words need them.",),
)
