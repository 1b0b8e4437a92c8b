"""Patterns of what language models write around the questions in an answer."""

import re

THOUGHT = re.compile(r"<(think|thinking|reasoning)>.*?(</\1>|\Z)", re.DOTALL | re.IGNORECASE)
END_OF_THOUGHT = re.compile(r"\A.*</(?:think|thinking|reasoning)>", re.DOTALL | re.IGNORECASE)
TAG = re.compile(
    r"^[ \t]*<(?:questions?|quer(?:y|ies)|q|li)\b[^<>]*>|</(?:questions?|quer(?:y|ies)|q|li)>",
    re.I | re.M,
)
BROKEN_JSON = re.compile(r"\s*(?:[\[{]\s*(?:[\"'\[{]|$)|<)")
START_OF_JSON = re.compile(r"^[ \t`]*+(?:json)?+[ \t]*+(?=[\[{])", re.MULTILINE)
FENCE = re.compile(r"^\s*(```|~~~)")
INNER_MARK = re.compile(r"(?<=[?？])\s+(?=\(?\d{1,2}[.)]\s|[-*•]\s|(?:Q|Question )\d{1,2}\s*[:.)])")
BULLET = re.compile(r"(?:[-*+•‣▪◦●–—>]|#{1,6})\s+")
NUMBER = re.compile(r"\(?#?\d{1,3}\s*[.):\]](?:\s+|$)|\[\d{1,3}\]\s*|\(?[a-h]\)\s+")
LABEL = re.compile(
    r"(?:(?:search )?quer(?:y|ies)|questions?|q)\s*#?\d{0,3}(?:\s*(?:of|/)\s*\d+)?"
    r"(?:\s*\([^()]*\))?\s*(?::\s*|[.)\]]\s+|[.)\]]$|\s[-–—]\s+|$)",
    re.IGNORECASE,
)
BOLD = re.compile(r"(\*\*|__)(.+?)\1(.*)")
ANSWER = re.compile(r"(?:answers?|ans|a)\s*\d{0,3}\s*:", re.IGNORECASE)
LEAD_IN = re.compile(
    r"(?:sure|certainly|of course|absolutely|okay|ok|here(?:['’]s| is| are)|below (?:is|are)|"
    r"the following)\b[^?？]*?:\s*(?=\S)",
    re.IGNORECASE,
)
PASSAGE = r"(?:passage|text|document|context|chunk|excerpt|information|content|article)"
ASKED = r"(?:questions?|queries)"
REFUSED = (
    r"i (?:cannot|can['’]?t|can not|could not|couldn['’]t|am unable to|['’]?m unable to|won['’]t|"
    r"will not|must decline(?: to)?|am not able to)"
)
NO_QUESTION = re.compile(  # at any position
    rf"(?:(?:i['’]m |i am )?(?:very |so )?sorry\b\W*(?:but )?|unfortunately\W+)?{REFUSED}"
    rf"(?:\W*$| (?:help|assist)(?: you)?(?: with\b[^?？]*)?\W*$| (?:comply|fulfill)\b[^?？]*$|"
    rf" (?:provide|generate|create|write|answer|produce|formulate)(?: \w+){{0,3}} {ASKED}"
    rf"(?:[,.!]| (?:about|from|for|based|on|without|as|because|regarding|with)\b|$)[^?？]*$|\W*$)|"
    rf"i (?:don['’]t|do not|cannot|can['’]?t) (?:have|see) (?:any|enough|a|an|the) "
    rf"(?:\w+ )?(?:passage|excerpt)\b[^?？]*$|"
    rf"i (?:don['’]t|do not) (?:have|see) (?:any|enough) (?:\w+ )?{PASSAGE}\b[^?？]*$|"
    r"(?:i['’]m |i am )?(?:very |so )?sorry(?:\W*$| for (?:the|any|my)\b[^?？]*$)|"
    rf"(?:(?:i['’]m |i am )?(?:very |so )?sorry\b|unfortunately,)[^?？]*\b{PASSAGE}\b[^?？]*$|"
    r"as an? (?:ai|(?:large )?language)(?: language)? (?:model|assistant)\b|"
    r"an earlier answer was of no use\b|note:|"
    r"(?:n/?a|none|null|no questions?|\[?end\]?|eof)\W*$",
    re.IGNORECASE,
)
CHAT = re.compile(  # before the first question and after the last
    r"(?:sure|certainly|of course|absolutely|okay|ok|great|no problem|understood)"
    r"\s*[,!.:][^?？]*$|here you go\b|"
    rf"(?:here(?:['’]s| is| are)|below (?:is|are))\b[^?？]*"
    rf"\b(?:{ASKED}|{PASSAGE}|ones|list|what i)\b|"
    rf"(?:these|the (?:following|above|generated)|both|all)(?: \w+){{0,2}} {ASKED}\b[^?？]*"
    rf"\b(?:{PASSAGE}|answer\w*|above|below|cover|based|clear)\b[^?？]*$|"
    rf"(?:would you like|do you want|do you need|(?:shall|should|may|can) i)\b[^?？]*"
    rf"\b(?:more|additional|other|further) (?:{ASKED}|ones)\W*$|"
    r"(?:would you like|do you want|do you need) me to (?:write|generate|create|provide|add|make|"
    r"rephrase|adjust|refine|change)\b|"
    r"(?:can|may|shall) i help(?: you)?\b[^?？]*\belse\W*$|"
    r"(?:is there )?anything else(?:\W*$|\b.*\b(?:you need|you(?:['’]d| would) like|"
    r"i can (?:help|assist|do for you))\b)|"
    rf"let me know(?:\W*$| (?:if|whether)\b.*\b(?:you|these|this|{ASKED}|help)\b)|"
    r"(?:(?:i|we) )?hope (?:this|these|that|they|it|you)\b[^?？]*\b(?:help\w*|useful|suit\w*|"
    rf"meet|serve|find|good|what you|{ASKED})\b[^?？]*$|"
    r"feel free to (?:ask|let|adjust|use|modify|change|reach|edit)\b|note that\b[^?？]*$|"
    rf"(?:thank you|thanks)(?:\W*$|[!,.][^?？]*$| (?:so much|very much|again)\b[^?？]*$|"
    rf" for (?:(?:the|your|this|providing|sharing) ){{1,2}}(?:\w+ )?(?:{PASSAGE}|request|patience|"
    r"input)\b[^?？]*$)|"
    rf"(?:based on|according to|given|using) (?:the|this|your)(?: \w+){{0,2}} {PASSAGE}\b"
    rf"[^?？]*\b{ASKED}\b[^?？]*$|"
    rf"(?:i have|i['’]ve|i) (?:generated|created|written|prepared)(?: \w+){{0,3}} {ASKED}"
    r"(?:\W*$| (?:based|from|about|for|on|that (?:can|are)|which)\b[^?？]*$)",
    re.IGNORECASE,
)
QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "«": "»", "„": "“", "`": "`", "「": "」"}
ASKS = ("?", "？", "؟", "⁇", "‽")
