"""Numbers that stand for texts, because a job's state has one byte for each.

The texts that honest jobs have are known beforehand and have the same numbers in each cluster. A text that a
job invents takes a number of its own cluster only, so no job can use up those of another taskforce.
"""

from __future__ import annotations

from collections.abc import Iterable

MOST = 256  # numbers that a byte can hold
OWN = MOST - 1  # for each text when a cluster has no number left


class Vocabulary:
    """The texts that are known beforehand, with their numbers; `others` stands for all that do not fit."""

    def __init__(self, texts: Iterable[str], others: str) -> None:
        self.texts = tuple(texts)
        self.numbers = {text: number for number, text in enumerate(self.texts)}
        self.others = others


class NumberedTexts:
    """The texts of one cluster: those of the vocabulary, and then its own in order of arrival.

    `texts` has each number's text. It is public because each change of a taskforce looks up all its numbers.
    """

    def __init__(self, known: Vocabulary) -> None:
        self._known = known
        self._own: dict[str, int] = {}
        self.texts = list(known.texts)

    def number(self, text: str) -> int:
        """The number of `text`; a new text gets the next number, and the last one if there is none left."""
        number = self._known.numbers.get(text)
        if number is None:
            number = self._own.get(text)
        if number is None and len(self.texts) < OWN:
            number = self._own[text] = len(self.texts)
            self.texts.append(text)
        return self._others() if number is None else number

    def _others(self) -> int:
        if len(self.texts) == OWN:
            self.texts.append(self._known.others)
        return OWN
