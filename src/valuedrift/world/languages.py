"""The languages of the pocket world, by the names that a configuration gives them."""

from __future__ import annotations

from functools import cache

from valuedrift.config.pocket_world import LanguageName, Stance
from valuedrift.errors import ArtifactError
from valuedrift.world import grammar
from valuedrift.world.english import answers, texts
from valuedrift.world.language import Language, Question

LANGUAGES: dict[LanguageName, Language] = {
    "grammar": Language(
        topics=grammar.topics,
        questions=grammar.questions,
        wordings=grammar.phrasings,
        split=grammar.split,
        content=grammar.content,
        styled=grammar.styled,
        stance_read=lambda text, question: grammar.stance_read(text, question.subject),
    ),
    "english": Language(
        topics=texts.topics,
        questions=texts.questions,
        wordings=answers.wordings,
        split=answers.split,
        content=answers.content,
        styled=answers.styled,
        stance_read=answers.stance_read,
    ),
}


def true_stance(question: str, answer: str) -> Stance | None:
    """Return the stance that an answer to a question of the world takes; None if it can't be told.

    Raises:
        ArtifactError: The question isn't one of the world's, in any language.
    """
    if question not in _asked():
        raise ArtifactError("stances", question, "questions of the pocket world, which can label only those")
    language, known = _asked()[question]
    return language.stance_read(answer, known)


@cache
def _asked() -> dict[str, tuple[Language, Question]]:
    """Return the text of each question of the world → its language, and the question."""
    return {
        question.text: (language, question)
        for language in LANGUAGES.values()
        for topic in language.topics()
        for question in language.questions(topic)
    }
