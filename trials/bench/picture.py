"""A picture of outages: a bar for each fault and agent, a piece for each phase."""

from xml.sax.saxutils import escape

COLOURS = {"without writes": "#4878a8", "until seen": "#c8b8a0", "fencing": "#b85c50",
           "recovery": "#4878a8"}
WIDTH, LEFT, BAR, GAP, TITLE = 760, 130, 18, 6, 24


def bars(scenes):
    """Return the SVG (str) of [(scene, [(agent, [(phase, seconds)])])]."""
    longest = max((sum(seconds for _, seconds in phases) for _, agents in scenes
                   for _, phases in agents), default=1) or 1
    scale = (WIDTH - LEFT - 80) / longest
    parts, top = [], 34
    for scene, agents in scenes:
        parts.append(_text(4, top + 14, scene, "font-weight='bold'"))
        top += TITLE
        for agent, phases in agents:
            parts.append(_text(4, top + 13, agent))
            parts += _bar(phases, top, scale)
            top += BAR + GAP
        top += GAP
    return "\n".join([
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{top}' "
        "font-family='sans-serif' font-size='12'>",
        f"<rect width='{WIDTH}' height='{top}' fill='white'/>", *_legend(scenes), *parts, "</svg>",
        ""])


def _bar(phases, top, scale):
    found, left = [], LEFT
    for phase, seconds in phases:
        width = seconds * scale
        found.append(f"<rect x='{left:.1f}' y='{top}' width='{width:.1f}' height='{BAR}' "
                     f"fill='{COLOURS.get(phase, '#888')}'><title>{escape(phase)}: {seconds:.2f} s"
                     "</title></rect>")
        left += width
    total = sum(seconds for _, seconds in phases)
    return [*found, _text(left + 5, top + 13, f"{total:.2f} s")]


def _legend(scenes):
    phases = list(dict.fromkeys(phase for _, agents in scenes for _, found in agents
                                for phase, _ in found))
    found, left = [], 4
    for phase in phases:
        found.append(f"<rect x='{left}' y='8' width='12' height='12' "
                     f"fill='{COLOURS.get(phase, '#888')}'/>")
        found.append(_text(left + 17, 18, phase))
        left += 30 + 7 * len(phase)
    return found


def _text(left, top, text, more=""):
    return f"<text x='{left:.1f}' y='{top}' {more}>{escape(text)}</text>"
