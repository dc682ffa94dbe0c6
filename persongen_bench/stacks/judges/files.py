"""The files of the published judges, pinned.

Commits, sizes and checksums as the public manifests of other projects print them, each in at
least two that do not quote one another; nothing was downloaded here. Tests compare the sizes with
the architectures. Not known, and said so by ``verify``: size and checksum of HPS 2.0, of both
files of PickScore, and of the ``config.json`` of BLIP and of ViT-bigG.
"""

from __future__ import annotations

from persongen_bench.stacks.published.manifest import HubFile, HubRepo, Manifest

_RAW = "https://raw.githubusercontent.com"
_V1 = ("LAION-AI/aesthetic-predictor", "7e37768a02b0863eac390a702903aaa90ecf938e")
_V2 = ("christophschuhmann/improved-aesthetic-predictor",
       "6934dd81792f086e613a121dbce43082cb8be85e")  # fmt: skip

AESTHETIC_V1 = HubRepo(
    *_V1,
    "MIT",
    (
        HubFile(
            "sa_0_4_vit_l_14_linear.pth",
            4_071,
            "2cd4e60f4f24ae3bcd57b847b13c1f3ba27edc28cc1a7f9ce74ee9f421243cba",
        ),
    ),
    url=f"{_RAW}/{'/'.join(_V1)}",
)
AESTHETIC_V2 = HubRepo(
    *_V2,
    "Apache-2.0",
    (
        HubFile(
            "sac+logos+ava1-l14-linearMSE.pth",
            3_714_759,
            "21dd590f3ccdc646f0d53120778b296013b096a035a2718c9cb0d511bff0f1e0",
        ),
    ),
    url=f"{_RAW}/{'/'.join(_V2)}",
)
HPS = HubRepo(
    "xswu/HPSv2",
    "697403c78157020a1ae59d23f111aa58ced35b0a",
    "Apache-2.0",
    (
        HubFile("HPS_v2_compressed.pt", None),
        HubFile(
            "HPS_v2.1_compressed.pt",
            1_972_490_005,
            "c57a38fb4a2f7e7c15bf00da2ea377cdf165448b4dd1052a484c215a998c9837",
        ),
    ),
)
PICKSCORE = HubRepo(
    "yuvalkirstain/PickScore_v1",
    "a4e4367c6dfa7288a00c550414478f865b875800",
    "not named",
    (HubFile("config.json", None), HubFile("model.safetensors", None)),
)
INCEPTION = HubRepo(
    "toshas/torch-fidelity",
    "v0.2.0",
    "Apache-2.0, as TensorFlow's models",
    (
        HubFile(
            "weights-inception-2015-12-05-6726825d.pth",
            95_628_359,
            "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        ),
    ),
    note="the Inception of TensorFlow's FID (2015-12-05); pytorch-fid serves the same bytes",
    url="https://github.com/toshas/torch-fidelity/releases/download/v0.2.0",
)
DINO = HubRepo(
    "facebook/dinov2-large",
    "47b73eefe95e8d44ec3623f8890bd894b6ea2d6c",
    "Apache-2.0",
    (
        HubFile(
            "config.json",
            549,
            "12df51c069a2dc1305e34ba71ef58bc2407ea553b75f4722a1715c1bce3bbed0",
        ),
        HubFile(
            "model.safetensors",
            1_217_522_888,
            "399fba97a95f22c36834418bc69373364a99af3a1153da1c0fb31db567c92e23",
        ),
    ),
)
CLIP_336 = HubRepo(
    "openai/clip-vit-large-patch14-336",
    "ce19dc912ca5cd21c8a653c79e251e808ccabcd1",
    "MIT, as OpenAI's CLIP; the repository itself names none",
    (
        HubFile(
            "config.json",
            4_757,
            "51b1c14aabcdf639c4a0370eeda1010b773bbe1df78319c7d0f5882c22ac0ac0",
        ),
        HubFile(
            "pytorch_model.bin",
            1_711_974_081,
            "c6032c2e0caae3dc2d4fba35535fa6307dbb49df59c7e182b1bc4b3329b81801",
        ),
    ),
)
BLIP = HubRepo(
    "Salesforce/blip-image-captioning-base",
    "82a37760796d32b1411fe092ab5d4e227313294b",
    "BSD-3-Clause",
    (
        HubFile("config.json", None),
        HubFile(
            "pytorch_model.bin",
            989_820_849,
            "d6638651a5526cc2ede56f2b5104d6851b0755816d220e5e046870430180c767",
        ),
        HubFile(
            "vocab.txt",
            231_508,
            "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
        ),
    ),
)
TRUNKS = HubRepo(
    "pytorch/vision",
    "the file names hold the checksums",
    "BSD-3-Clause, as torchvision",
    (
        HubFile(
            "alexnet-owt-7be5be79.pth",
            244_408_911,
            "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        ),
        HubFile(
            "vgg16-397923af.pth",
            553_433_881,
            "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        ),
    ),
    note="the trunks of LPIPS; its linear heads come with the package lpips",
    url="https://download.pytorch.org/models",
)

VIT_BIG_G = HubRepo(
    "h94/IP-Adapter",
    "018e402774aeeddd60609b4ecdb7e298259dc729",
    "Apache-2.0; the weights are LAION's, MIT",
    (
        HubFile("sdxl_models/image_encoder/config.json", None),
        HubFile(
            "sdxl_models/image_encoder/model.safetensors",
            3_689_912_664,
            "657723e09f46a7c3957df651601029f66b1748afb12b419816330f16ed45d64d",
        ),
    ),
    note="OpenCLIP's ViT-bigG/14, image tower alone: the files of the stack `sdxl` as well",
)

JUDGES = Manifest(
    "judges",
    "Models that judge pictures: aesthetics, preference, features, distances, captions",
    (
        AESTHETIC_V1,
        AESTHETIC_V2,
        HPS,
        PICKSCORE,
        INCEPTION,
        DINO,
        CLIP_336,
        BLIP,
        TRUNKS,
        VIT_BIG_G,
    ),
    (
        "Only scoring needs them.",
        "Pickled checkpoints are read as tensors alone (weights_only); no code in them is run.",
    ),
)
