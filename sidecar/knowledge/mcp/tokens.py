"""Reserved control tokens of model hosts: found however they are spelt, and taken out (RQ-6).

Linear in the text: one pass folds it, one searches it, one writes it anew.
"""

import re
from collections.abc import Iterable
from typing import Final

from sidecar.knowledge.mcp.characters import REPLACEMENT, folded, visible

DEFAULT_TOKENS: Final = (
    # ChatML, and hosts that took it over
    "<|im_start|>", "<|im_end|>", "<|im_sep|>", "<|endoftext|>", "<|endofprompt|>",
    "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>",
    "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>", "<|end|>",
    # Harmony
    "<|start|>", "<|channel|>", "<|message|>", "<|constrain|>", "<|return|>", "<|call|>",
    # Llama 2, Mistral
    "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "<s>", "</s>",
    "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]",
    "[TOOL_CALLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]",
    # Llama 3
    "<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>",
    "<|eot_id|>", "<|eom_id|>", "<|python_tag|>",
    # Gemma
    "<start_of_turn>", "<end_of_turn>", "<bos>", "<eos>",
    # DeepSeek
    "<\uff5cbegin\u2581of\u2581sentence\uff5c>",
    "<\uff5cend\u2581of\u2581sentence\uff5c>", "<\uff5cUser\uff5c>", "<\uff5cAssistant\uff5c>",
    # Command
    "<|START_OF_TURN_TOKEN|>", "<|END_OF_TURN_TOKEN|>", "<|SYSTEM_TOKEN|>", "<|USER_TOKEN|>",
    "<|CHATBOT_TOKEN|>",
)  # fmt: skip
"""Tokens by which hosts part the turns of a conversation, as their tokenizers publish them."""

FEWEST_CHARACTERS: Final = 2


class Reserved:
    """A list of reserved tokens, compiled."""

    def __init__(self, tokens: Iterable[str], *, removes_invisible: bool = True) -> None:
        """Compile.

        Args:
            tokens: the tokens, in any spelling; `is_possible` says which can be.
            removes_invisible: whether characters that nobody sees are taken out too.
        """
        spelt = sorted({folded(token)[0] for token in tokens}, key=lambda one: (-len(one), one))
        self._pattern = re.compile("|".join(map(re.escape, spelt))) if spelt else None
        self._removes_invisible = removes_invisible

    def has_token(self, text: str) -> bool:
        """Whether a token stands in a text."""
        return self._pattern is not None and self._pattern.search(folded(text)[0]) is not None

    def has_invisible(self, text: str) -> bool:
        """Whether something that nobody sees, and that does not belong there, stands in a text."""
        return self._removes_invisible and visible(text) != text

    def cleaned(self, text: str) -> str:
        """Put a replacement character for each token, and take out what nobody sees.

        Twice is once, and no token is left: a replacement character is part of none, and what is
        taken out was not looked at when tokens were sought.
        """
        text = self._without_tokens(text)
        return visible(text) if self._removes_invisible else text

    def _without_tokens(self, text: str) -> str:
        if self._pattern is None:
            return text
        plain, places = folded(text)
        pieces: list[str] = []
        at = 0
        for found in self._pattern.finditer(plain):
            first, last = found.start(), found.end() - 1
            if places is not None:
                first, last = places[first], places[last]
            # Two tokens may share a character that stands for several.
            pieces += (text[at:first], REPLACEMENT) if first >= at else (REPLACEMENT,)
            at = last + 1
        return "".join((*pieces, text[at:])) if at else text


def is_possible(token: str) -> bool:
    """Whether a text can be a reserved token: it is seen, and not the replacement of one."""
    plain = folded(token)[0]
    return len(plain.strip()) >= FEWEST_CHARACTERS and REPLACEMENT not in plain
