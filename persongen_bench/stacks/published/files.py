"""The files of the published stacks, pinned.

Where the numbers come from: commits, sizes and checksums as the public manifests of other
projects print them, the checksums and the sizes of weight files in at least two that do not quote
one another. Besides, the size of every weight file follows to the byte from its architecture, and
the checksum of the small files of both pipelines from their texts in `configs` and `pipelines`;
tests check both. The weights have not been downloaded here: their checksums are quoted, not
measured.

Not known, and said so by `verify`: size and checksum of ``sdxl_models/image_encoder/config.json``.
"""

from __future__ import annotations

from persongen_bench.stacks.published.manifest import HubFile, HubRepo, Manifest

_MERGES = "9fd691f7c8039210e0fced15865466c65820d09b63988b0174bfe25de299051a"
_VOCABULARY = "e089ad92ba36837a0d31433e555c8f45fe601ab5c221d4f607ded32d9f7a4349"
_SPECIAL = "c4864a9376a8401918425bed71fc14fc0e81f9b59ec45c1cf96cccb2df508eac"


def _tokenizer(folder: str, special: tuple[int, str], config: tuple[int, str]) -> list[HubFile]:
    return [
        HubFile(f"{folder}/merges.txt", 524_619, _MERGES),
        HubFile(f"{folder}/special_tokens_map.json", *special),
        HubFile(f"{folder}/tokenizer_config.json", *config),
        HubFile(f"{folder}/vocab.json", 1_059_962, _VOCABULARY),
    ]


STABLE_DIFFUSION_15 = HubRepo(
    "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "451f4fe16113bff5a5d2269ed5ad43b0592e9a14",
    "CreativeML OpenRAIL-M",
    (
        HubFile(
            "model_index.json",
            541,
            "e2f6f22e274374010aec30c79eb2d6e53fff4a36ac0225523a92cb2d41a83347",
        ),
        HubFile(
            "scheduler/scheduler_config.json",
            308,
            "699cce92eb7c122e2eb7dfdea78e6187fda76a5ed4a8e42319b85610e620e091",
        ),
        HubFile(
            "text_encoder/config.json",
            617,
            "845df614cb9327ae7bbea027316246fae917827407da6df13572e41b5f93b4cc",
        ),
        HubFile(
            "text_encoder/model.fp16.safetensors",
            246_144_864,
            "77795e2023adcf39bc29a884661950380bd093cf0750a966d473d1718dc9ef4e",
        ),
        *_tokenizer(
            "tokenizer",
            (472, _SPECIAL),
            (806, "00439066fcba73de57644cf41e4e3b9f2dbb09d7f3fc2005898ba52399045882"),
        ),
        HubFile(
            "unet/config.json",
            743,
            "78f474de6bab3d893868f37be97b636ae65c0df3073ed3256ca458ff599b5f96",
        ),
        HubFile(
            "unet/diffusion_pytorch_model.fp16.safetensors",
            1_719_125_304,
            "c83908253f9a64d08c25fc90874c9c8aef9a329ce1ca5fb909d73b0c83d1ea21",
        ),
        HubFile(
            "vae/config.json",
            547,
            "786a7d21647ddea6a04b9675c03d3cb45e90a2f3c6da5fbda2c54ade040036de",
        ),
        HubFile(
            "vae/diffusion_pytorch_model.fp16.safetensors",
            167_335_342,
            "4fbcf0ebe55a0984f5a5e00d8c4521d52359af7229bb4d81890039d2aa16dd7c",
        ),
    ),
    note="a mirror kept by the community: the original, runwayml/stable-diffusion-v1-5, which "
    "REBECA's code names, was taken off the hub; commit and checksums are the original's",
)

STABLE_DIFFUSION_XL = HubRepo(
    "stabilityai/stable-diffusion-xl-base-1.0",
    "462165984030d82259a11f4367a4eed129e94a7b",
    "CreativeML Open RAIL++-M",
    (
        HubFile(
            "model_index.json",
            609,
            "6d7b93508390ab91ac5bfbe4aeb4dc2d83f7bb1b05fb069d714b5b0c75f70d44",
        ),
        HubFile(
            "scheduler/scheduler_config.json",
            479,
            "af3e45a949aff8b8341ab8b811429ec03fee857a700a1d9477363e4fff9666e2",
        ),
        HubFile(
            "text_encoder/config.json",
            565,
            "39b8b2e4b1949e36969caa425b6c81c68bace99198dd9078ce05d16ad401fe7f",
        ),
        HubFile(
            "text_encoder/model.fp16.safetensors",
            246_144_152,
            "660c6f5b1abae9dc498ac2d21e1347d2abdb0cf6c0c0c8576cd796491d9a6cdd",
        ),
        HubFile(
            "text_encoder_2/config.json",
            575,
            "a892d1c3a69a7e9247a24de2bc1d5891e3109a54696e53be20093af671072c34",
        ),
        HubFile(
            "text_encoder_2/model.fp16.safetensors",
            1_389_382_176,
            "ec310df2af79c318e24d20511b601a591ca8cd4f1fce1d8dff822a356bcdb1f4",
        ),
        *_tokenizer(
            "tokenizer",
            (472, _SPECIAL),
            (737, "19d7b034cb0cc3ce9766c2231373ab8aa8991fc72e2c8f76558bfaae3de0d563"),
        ),
        *_tokenizer(
            "tokenizer_2",
            (460, "f118ab3a983206e4f32583448de6bd6aae4ee21869135cef1f5848a753cdaab6"),
            (725, "c9d23941f76a41cbd50eda9290f57be7828f0a7a677939e9ef181f7e12bd1bdf"),
        ),
        HubFile(
            "unet/config.json",
            1_680,
            "30ebc70750223e59006f7f2b4e1e6c102570aa19a9c4ae3e1fbe7591332dbae6",
        ),
        HubFile(
            "unet/diffusion_pytorch_model.fp16.safetensors",
            5_135_149_760,
            "83e012a805b84c7ca28e5646747c90a243c65c8ba4f070e2d7ddc9d74661e139",
        ),
        HubFile(
            "vae/config.json",
            642,
            "0b331c8ac22ded5f9997a144a575c1d113d6169aff262c353f39015bd24a6264",
        ),
        HubFile(
            "vae/diffusion_pytorch_model.fp16.safetensors",
            167_335_342,
            "bcb60880a46b63dea58e9bc591abe15f8350bde47b405f9c38f4be70c6161e68",
        ),
    ),
)


def _ip_adapter(*files: HubFile) -> HubRepo:
    revision = "018e402774aeeddd60609b4ecdb7e298259dc729"
    return HubRepo("h94/IP-Adapter", revision, "Apache-2.0", files)


IP_ADAPTER_15 = _ip_adapter(
    HubFile(
        "models/image_encoder/config.json",
        560,
        "625d37b31afbf2f0792a87846b3654ee23f20568409e35b78a1f795b04e1a7a1",
    ),
    HubFile(
        "models/image_encoder/model.safetensors",
        2_528_373_448,
        "6ca9667da1ca9e0b0f75e46bb030f7e011f44f86cbfb8d5a36590fcd7507b030",
    ),
    HubFile(
        "models/ip-adapter_sd15.safetensors",
        44_642_768,
        "289b45f16d043d0bf542e45831f971dcdaabe18b656f11e86d9dfba7e9ee3369",
    ),
)

IP_ADAPTER_XL = _ip_adapter(
    HubFile("sdxl_models/image_encoder/config.json", None),
    HubFile(
        "sdxl_models/image_encoder/model.safetensors",
        3_689_912_664,
        "657723e09f46a7c3957df651601029f66b1748afb12b419816330f16ed45d64d",
    ),
    HubFile(
        "sdxl_models/ip-adapter_sdxl.safetensors",
        702_585_376,
        "ba1002529e783604c5f326d49f0122025392d1d20ac8d573b3eeb3e6dea4ebb6",
    ),
)

CLIP = HubRepo(
    "openai/clip-vit-large-patch14",
    "32bd64288804d66eefd0ccbe215aa642df71cc41",
    "MIT, as OpenAI's CLIP; the repository itself names none",
    (
        HubFile(
            "config.json",
            4_519,
            "8a09b467700c58138c29d53c605b34ebc69beaadd13274a8a2af8ad2c2f4032a",
        ),
        HubFile("merges.txt", 524_619, _MERGES),
        HubFile(
            "model.safetensors",
            1_710_540_580,
            "a2bf730a0c7debf160f7a6b50b3aaf3703e7e88ac73de7a314903141db026dcb",
        ),
        HubFile(
            "special_tokens_map.json",
            389,
            "f8c0d6c39aee3f8431078ef6646567b0aba7f2246e9c54b8b99d55c22b707cbf",
        ),
        HubFile(
            "tokenizer_config.json",
            905,
            "deef455e52fa5e8151e339add0582e4235f066009601360999d3a9cda83b1129",
        ),
        HubFile(
            "vocab.json",
            961_143,
            "3f0c4f7d2086b61b38487075278ea9ed04edb53a03cbb045b86c27190fa8fb69",
        ),
    ),
)

_SAFETY = (
    "The safety checker is off: it is neither downloaded nor run, and pictures are not filtered."
)
_NO_PICKLE = "Only safetensors files are read; half-precision ones where the publisher has them."

SD15 = Manifest(
    "sd15",
    "Stable Diffusion 1.5 with IP-Adapter (ViT-H/14, 1024-d) and CLIP ViT-L/14",
    (STABLE_DIFFUSION_15, IP_ADAPTER_15, CLIP),
    (_SAFETY, _NO_PICKLE),
)
SDXL = Manifest(
    "sdxl",
    "Stable Diffusion XL 1.0 with IP-Adapter (ViT-bigG/14, 1280-d) and CLIP ViT-L/14",
    (STABLE_DIFFUSION_XL, IP_ADAPTER_XL, CLIP),
    (_SAFETY, _NO_PICKLE),
)
MANIFESTS = {manifest.stack: manifest for manifest in (SD15, SDXL)}
