"""Tests of the tokens of texts in many languages, and of the detected language."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query_adapters.lexical import Tokenizer
from query_adapters.lexical.languages import FUNCTION_WORDS

RUNNING_TEXT = {
    "catalan": "El port és a la ciutat i les barques que hi ha són de la gent del mar, no per al "
    "turisme, com es diu en un llibre dels pescadors amb més anys.",
    "dutch": "De haven is open voor alle boten die in het kantoor van de stad zijn gemeld, en niet "
    "voor een boot die op zee is.",
    "english": "The harbour is open to all boats that are registered with the office of the port, "
    "and for a fee you may stay in it by night.",
    "french": "Le port est ouvert à tous les bateaux qui sont inscrits dans une liste, et il ne "
    "ferme pas la nuit du dimanche, que je sache, pour les gens de mer.",
    "german": "Der Hafen ist für alle Boote offen, die in dem Büro des Hafens gemeldet sind, und "
    "das Büro nimmt auf dem Steg eine Gebühr von den Booten.",
    "italian": "Il porto è aperto a tutte le barche che sono registrate in una lista, e non si "
    "paga per la notte di un giorno con il mare del nord.",
    "portuguese": "O porto não está aberto aos barcos que são de uma cidade e do mar, mas com um "
    "pouco de paciência os homens da casa dão mais para a viagem.",
    "russian": "Порт открыт для всех лодок, и они не могут выйти из порта на море, если по закону "
    "это не так, но мы или вы можете у него спросить, что и как.",
    "spanish": "El puerto está abierto a los barcos que se registran en la oficina de una ciudad, "
    "y no hay más que pagar por las noches con un billete del banco.",
    "turkish": "Liman bir hafta için açık ve bu şehir daha çok tekne ile dolu, ne var ne yok gibi "
    "bir soru da olan biten için çok iyi.",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\t…!?", []),
        ("The Cat, the CAT", ["the", "cat", "the", "cat"]),
        ("don't l’acqua", ["don", "t", "l", "acqua"]),
        ("$1,077.4 million in 2019.", ["1,077.4", "million", "in", "2019"]),
        ("version v2.0.1, section 3.", ["version", "v2.0.1", "section", "3"]),
        ("iPhone-15", ["iphone", "15", "iphone15"]),
        ("10-K", ["10", "k", "10k"]),
        ("file_name.py", ["file", "name", "filename", "py"]),
        ("C++ and C#, not C", ["c++", "and", "c#", "not", "c"]),
        ("a #tag + b", ["a", "tag", "b"]),
        ("--- ___ -a-", ["a"]),
        ("perche\u0301 PERCHÉ", ["perché", "perché"]),  # a combining accent
        ("\ufb01nal \uff21\uff11", ["final", "a1"]),  # a ligature, letters of full width
        ("Straße STRASSE", ["strasse", "strasse"]),
        ("İstanbul istanbul", ["istanbul", "istanbul"]),
        ("ko\u00adope\u00adration", ["kooperation"]),  # soft hyphens
        ("हिन्दी में", ["हिन्दी", "में"]),  # vowel signs are no letters
        ("שָׁלוֹם", ["שָׁלוֹם"]),
    ],
)
def test_words_numbers_and_codes(text: str, expected: list[str]) -> None:
    assert Tokenizer()(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("東京都", ["東京", "京都"]),
        ("水", ["水"]),
        ("我喜欢你。", ["我喜", "喜欢", "欢你"]),
        ("タワー", ["タワ", "ワー"]),
        ("ﾀﾜｰ", ["タワ", "ワー"]),  # half width
        ("どこですか", ["どこ", "こで", "です", "すか"]),
        ("ไทย", ["ไท", "ทย"]),
        ("서울에서", ["서울", "울에", "에서"]),
        ("iPhone15を買う", ["iphone15", "を買", "買う"]),
        ("価格は1,200円", ["1,200", "価格", "格は", "円"]),
    ],
)
def test_scripts_without_spaces_give_pairs_of_characters(text: str, expected: list[str]) -> None:
    assert Tokenizer()(text) == expected


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("italian", "domanda", "Domande"),
        ("english", "filing", "filings"),
        ("german", "Häuser", "Hauses"),
        ("french", "continuer", "continué"),
        ("spanish", "canciones", "canción"),
        ("russian", "книга", "книги"),
    ],
)
def test_forms_of_a_word_have_one_stem(language: str, one: str, other: str) -> None:
    tokenizer = Tokenizer(language)
    assert tokenizer(one) == tokenizer(other)
    assert Tokenizer()(one) != Tokenizer()(other)


def test_stemming_leaves_pairs_of_characters_alone() -> None:
    assert Tokenizer("english")("cats 東京都") == ["cat", "東京", "京都"]


def test_an_unknown_language_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ValueError, match=r"expected one of .*italian.*, got 'klingon'; use None"):
        Tokenizer("klingon")


@pytest.mark.parametrize("language", RUNNING_TEXT)
def test_the_language_of_running_text_is_detected(language: str) -> None:
    assert Tokenizer.detected([RUNNING_TEXT[language]]) == Tokenizer(language)


@pytest.mark.parametrize("language", FUNCTION_WORDS)
def test_every_detected_language_can_be_stemmed_and_its_words_are_tokens(language: str) -> None:
    words = FUNCTION_WORDS[language].casefold().split()
    assert Tokenizer(language).language == language
    assert [Tokenizer()(word) for word in words] == [[word] for word in words]


@pytest.mark.parametrize(
    "texts",
    [
        [],
        ["the of and"],  # too few words
        ["SKU 4711 red", "SKU 4712 blue"] * 20,  # no running text
        ["東京は日本の首都です。"] * 20,
        ["ประเทศไทยมีเมืองหลวงคือกรุงเทพมหานคร"] * 20,
        [RUNNING_TEXT["english"], RUNNING_TEXT["german"]] * 5,
        ["Havnen er åben for alle både, og det er ikke dyrt at være i den til om natten."] * 5,
        ["W porcie są łodzie, które nie płyną na morze, i to jest po prostu za drogo dla nas."] * 5,
    ],
    ids=["nothing", "few words", "codes", "Japanese", "Thai", "two languages", "Danish", "Polish"],
)
def test_words_are_not_stemmed_where_the_language_is_unsure(texts: list[str]) -> None:
    assert Tokenizer.detected(texts) == Tokenizer()


@pytest.mark.parametrize("language", [None, "italian"])
def test_a_record_gives_the_tokenizer_back(language: str | None) -> None:
    tokenizer = Tokenizer(language)
    assert Tokenizer.from_record(tokenizer.to_record()) == tokenizer


def test_a_record_of_other_rules_is_refused() -> None:
    record = Tokenizer().to_record() | {"rules": 99}
    with pytest.raises(ValueError, match=r"expected rules \d+, got 99; build the index again"):
        Tokenizer.from_record(record)


def test_threads_share_a_tokenizer() -> None:
    tokenizer, found = Tokenizer("english"), []
    threads = [
        threading.Thread(target=lambda: found.append(tokenizer("running cats"))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [["run", "cat"]] * 4


@given(st.text())
def test_any_text_gives_tokens_without_spaces(text: str) -> None:
    tokens = Tokenizer()(text)
    assert all(token and not any(c.isspace() for c in token) for token in tokens)


@given(st.text())
def test_words_give_the_same_tokens_in_capitals_where_the_script_allows(text: str) -> None:
    plain = "".join(c for c in text if c.upper().lower() == c and c.isascii())
    assert Tokenizer()(plain) == Tokenizer()(plain.upper())
