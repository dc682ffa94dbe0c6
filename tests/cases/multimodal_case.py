"""Laws of every multimodal model with visual tokens, whatever it was trained on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from persongen_bench.core.language import MultimodalModel, PicturePart, WriteOptions
from persongen_bench.core.types import Image

TEXT = "a small red circle"


class MultimodalLaws:
    """Subclass it and give the fixtures ``lmm`` and ``pictures`` (at least six)."""

    def test_it_implements_the_protocol(self, lmm: MultimodalModel) -> None:
        assert isinstance(lmm, MultimodalModel)
        assert lmm.signature
        assert lmm.signature.isprintable()
        assert sorted(c for codes in lmm.allowed for c in set(codes))[-1] == lmm.n_codes - 1

    def test_codes_fit_their_places_and_never_change(
        self, lmm: MultimodalModel, pictures: list[Image]
    ) -> None:
        whole = lmm.tokenize(pictures)
        assert all(int(c) in a for row in whole for c, a in zip(row, lmm.allowed, strict=True))
        alone = [lmm.tokenize([picture])[0] for picture in pictures]
        np.testing.assert_array_equal(whole, alone)

    def test_a_picture_is_drawn_from_its_codes_and_seed(
        self, lmm: MultimodalModel, pictures: list[Image]
    ) -> None:
        codes = lmm.tokenize(pictures[:3])
        drawn = lmm.draw(codes, [1, 2, 3])
        assert all(picture.dtype == np.uint8 and picture.shape[0] == 3 for picture in drawn)
        np.testing.assert_array_equal(drawn[1], lmm.draw(codes[1:2], [2])[0])

    def test_two_pictures_give_two_outputs(
        self, lmm: MultimodalModel, pictures: list[Image]
    ) -> None:
        """transformers #47948: a class may ignore the pictures of a prompt without a word."""
        one, two = lmm.tokenize([pictures[0], pictures[-1]])
        with torch.no_grad():
            said = lmm.log_probabilities([[PicturePart(one)], [PicturePart(two)]], [one, one])
        assert (said[0] - said[1]).abs().max() > 1e-4

    def test_ids_and_embeddings_agree(self, lmm: MultimodalModel, pictures: list[Image]) -> None:
        """The stock route through ``input_ids`` gives the same logits as our embeddings."""
        (codes,) = lmm.tokenize(pictures[:1])
        embeddings, mask = lmm.embed([[TEXT, PicturePart(codes)]])
        ids = prompt_ids(lmm, TEXT, codes)
        with torch.no_grad():
            ours = lmm.model(inputs_embeds=embeddings, attention_mask=mask).logits
            stock = lmm.model(input_ids=torch.tensor([ids])).logits
        assert torch.equal(ours, stock)

    def test_padding_on_the_left_changes_nothing(
        self, lmm: MultimodalModel, pictures: list[Image]
    ) -> None:
        codes = lmm.tokenize(pictures)
        prompts = [[TEXT], [TEXT, *map(PicturePart, codes[:4])], [PicturePart(codes[0]), TEXT]]
        with torch.no_grad():
            together = lmm.log_probabilities(prompts, codes[:3])
            alone = torch.cat(
                [lmm.log_probabilities([p], [c]) for p, c in zip(prompts, codes, strict=False)]
            )
        assert torch.isfinite(together).all()
        torch.testing.assert_close(together, alone, atol=2e-5, rtol=0)

    def test_probabilities_are_what_writing_draws_from(
        self, lmm: MultimodalModel, pictures: list[Image]
    ) -> None:
        """Shares of first codes in 400 pictures against their probabilities; 5 se of a share."""
        (codes,) = lmm.tokenize(pictures[:1])
        prompt = [TEXT, PicturePart(codes)]
        written = lmm.write([prompt] * 400, list(range(400)))
        firsts = [np.array([c, *codes[1:]]) for c in lmm.allowed[0]]
        with torch.no_grad():
            said = lmm.log_probabilities([prompt] * len(firsts), firsts)[:, 0].exp().numpy()
        assert abs(said.sum() - 1) < 1e-4
        counts = np.bincount([int(w[0]) for w in written], minlength=lmm.n_codes)
        shares = counts[list(lmm.allowed[0])] / 400
        assert (np.abs(shares - said) < 5 * np.sqrt(said * (1 - said) / 400) + 0.005).all()

    def test_the_likeliest_first_code_is_written_at_temperature_zero(
        self, lmm: MultimodalModel, pictures: list[Image]
    ) -> None:
        (codes,) = lmm.tokenize(pictures[:1])
        written = lmm.write([[PicturePart(codes)]], [0], WriteOptions(temperature=0))[0]
        others = [np.array([c, *codes[1:]]) for c in lmm.allowed[0]]
        with torch.no_grad():
            said = lmm.log_probabilities([[PicturePart(codes)]] * len(others), others)[:, 0]
        assert int(written[0]) == lmm.allowed[0][int(said.argmax())]

    def test_a_shorter_row_has_zeros_behind_its_end(
        self, lmm: MultimodalModel, pictures: list[Image]
    ) -> None:
        codes = lmm.tokenize(pictures[:1])[0]
        with torch.no_grad():
            said = lmm.log_probabilities([[TEXT]] * 3, [codes, codes[:2], codes[:0]])
        torch.testing.assert_close(said[1, :2], said[0, :2], atol=2e-5, rtol=0)
        assert not said[1, 2:].any()
        assert not said[2].any()

    def test_writing_ignores_the_batch(self, lmm: MultimodalModel, pictures: list[Image]) -> None:
        codes = lmm.tokenize(pictures)
        prompts = [[*map(PicturePart, codes[: k % 4]), TEXT] for k in range(9)]
        seeds = list(range(9))
        for options in (WriteOptions(), WriteOptions(0.8, 5, 3.0)):
            whole = lmm.write(prompts, seeds, options)
            alone = [lmm.write([p], [s], options)[0] for p, s in zip(prompts, seeds, strict=True)]
            backwards = lmm.write(prompts[::-1], seeds[::-1], options)[::-1]
            np.testing.assert_array_equal(whole, alone)
            np.testing.assert_array_equal(whole, backwards)
            assert all(int(c) in a for w in whole for c, a in zip(w, lmm.allowed, strict=True))

    def test_seeds_matter(self, lmm: MultimodalModel) -> None:
        written = lmm.write([[TEXT]] * 8, list(range(8)), WriteOptions(temperature=1.5))
        assert len({tuple(row) for row in written}) > 1

    def test_guidance_needs_pictures(self, lmm: MultimodalModel, pictures: list[Image]) -> None:
        """Without guided pictures both branches are one; with them they are two."""
        codes = lmm.tokenize(pictures)
        plain, guided = WriteOptions(), WriteOptions(guidance_scale=6.0)
        seeds = list(range(16))
        free = [[TEXT, PicturePart(codes[k % 6], guided=False)] for k in seeds]
        np.testing.assert_array_equal(lmm.write(free, seeds, plain), lmm.write(free, seeds, guided))
        bound = [[*map(PicturePart, codes[k % 3 : k % 3 + 3]), TEXT] for k in seeds]
        one, two = lmm.write(bound, seeds, plain), lmm.write(bound, seeds, guided)
        assert any((a != b).any() for a, b in zip(one, two, strict=True))

    def test_hidden_tokens_keep_their_place_and_gradients_flow(
        self, lmm: MultimodalModel, pictures: list[Image]
    ) -> None:
        (codes,) = lmm.tokenize(pictures[:1])
        keep = torch.ones(len(codes), requires_grad=True)
        part = PicturePart(codes, keep)
        with torch.no_grad():
            whole = lmm.log_probabilities([[PicturePart(codes)]], [codes])
        said = lmm.log_probabilities([[part]], [codes])
        torch.testing.assert_close(said, whole, atol=0, rtol=0)
        said.sum().backward()
        assert keep.grad is not None
        assert (keep.grad != 0).all()
        embeddings, _ = lmm.embed([[replace(part, keep=torch.zeros(len(codes)))]])
        assert embeddings.shape[1] == lmm.embed([[PicturePart(codes)]])[0].shape[1]
        assert int((embeddings[0].abs().sum(dim=1) == 0).sum()) == len(codes)

    def test_vectors_go_in_as_they_are(self, lmm: MultimodalModel) -> None:
        width = lmm.model.get_input_embeddings().weight.shape[1]
        vectors = torch.randn(2, width, generator=torch.Generator().manual_seed(0))
        vectors.requires_grad_()
        embeddings, _ = lmm.embed([[vectors]])
        assert torch.equal(embeddings[0, -2:], vectors)
        codes = np.array([places[0] for places in lmm.allowed])
        lmm.log_probabilities([[TEXT, vectors]], [codes]).sum().backward()
        assert vectors.grad is not None
        assert vectors.grad.abs().sum() > 0

    def test_no_code_is_taken_for_another(self, lmm: MultimodalModel) -> None:
        wrong = [np.array([lmm.n_codes]), np.array([-1]), np.array([0.5])]
        for codes in wrong:
            _refused(lambda codes=codes: lmm.embed([[PicturePart(codes)]]))
        swapped = np.array([places[0] for places in lmm.allowed])[::-1]
        if swapped[0] not in lmm.allowed[0]:
            _refused(lambda: lmm.draw([swapped], [0]))
        _refused(lambda: lmm.draw([swapped[:1]], [0]))

    def test_every_visual_token_is_one_id(self, lmm: MultimodalModel) -> None:
        """Emu3 #73: a tokenizer may split a visual token into many."""
        pieces = lmm.tokenizer(TEXT, add_special_tokens=False)["input_ids"]
        codes = np.array([places[-1] for places in lmm.allowed])
        ids = prompt_ids(lmm, TEXT, codes)
        assert len(set(ids) - set(pieces)) >= len(set(codes.tolist()))
        assert max(ids) < lmm.model.config.get_text_config().vocab_size

    def test_it_says_words_and_ignores_the_batch(
        self, lmm: MultimodalModel, pictures: list[Image]
    ) -> None:
        parts = [[PicturePart(codes)] for codes in lmm.tokenize(pictures[:3])]
        said = lmm.say(parts, 4)
        assert all(isinstance(text, str) for text in said)
        assert said == [lmm.say([part], 4)[0] for part in parts]

    def test_said_words_are_the_likeliest(
        self, lmm: MultimodalModel, pictures: list[Image]
    ) -> None:
        """The first word that is said has no likelier rival among texts of one word."""
        prompt = [PicturePart(lmm.tokenize(pictures[:1])[0])]
        (said,) = lmm.say([prompt], 1)
        one = lmm.tokenizer(said, add_special_tokens=False)["input_ids"]
        if len(one) != 1:
            return  # it said nothing, or a part of a word
        texts = [said, "red", "green", "circle", "a"]
        with torch.no_grad():
            whole = lmm.word_log_probabilities([prompt] * len(texts), texts)
            vectors = lmm.model.get_input_embeddings()(torch.tensor(one))
            ends = lmm.word_log_probabilities([[*prompt, vectors]], [""])
        assert torch.isfinite(whole).all()
        assert whole[0] - ends[0] <= 1e-4  # the word and then the end: a product of two
        assert (whole < 0).all()

    def test_hidden_history_is_what_guidance_moves_away_from(
        self, lmm: MultimodalModel, pictures: list[Image]
    ) -> None:
        """Guidance of scale 0 draws from the prompt with its guided pictures hidden."""
        codes = lmm.tokenize(pictures[:3])
        seen = [[*map(PicturePart, codes), TEXT]] * 12
        hidden = [[*(PicturePart(c, hidden=True) for c in codes), TEXT]] * 12
        zero = lmm.write(seen, list(range(12)), WriteOptions(guidance_scale=0.0))
        np.testing.assert_array_equal(zero, lmm.write(hidden, list(range(12))))
        with torch.no_grad():
            one = lmm.log_probabilities(seen[:1], codes[:1])
            two = lmm.log_probabilities(hidden[:1], codes[:1])
            other = lmm.log_probabilities(
                [[*(PicturePart(c, hidden=True) for c in codes[::-1]), TEXT]], codes[:1]
            )
        assert (one - two).abs().max() > 1e-4
        torch.testing.assert_close(two, other, atol=1e-5, rtol=0)

    def test_nothing_gives_nothing(self, lmm: MultimodalModel) -> None:
        assert lmm.write([], []) == []
        assert lmm.say([]) == []
        assert lmm.draw([], []) == []
        assert lmm.tokenize([]) == []


def prompt_ids(lmm: MultimodalModel, text: str, codes: np.ndarray) -> list[int]:
    """The ids of words and a picture, from the layout alone."""
    start = [] if lmm.tokenizer.bos_token_id is None else [lmm.tokenizer.bos_token_id]
    words = lmm.tokenizer(text, add_special_tokens=False)["input_ids"]
    return [*start, *words, *lmm.layout.ids(codes)]  # type: ignore[attr-defined]  # of ours


def _refused(call: object) -> None:
    try:
        call()  # type: ignore[operator]
    except ValueError:
        return
    raise AssertionError("a wrong code was taken")
