"""Rows in rooms without a person: python benchmarks/phantoms.py [--seconds 600] [--kinds poster statue] [--json].

Draws what a camera sees in ten minutes of each kind, with the noise of its sensor: an empty room, posters, a statue, a
mask, photographs from installed packages, a face on a still screen, all that at high gain; and for comparison seated
persons. For each kind: the rows that the agent would write, and the share of frames in which the detector finds a face.
Passers-by who uncover a poster give some rows: whoever appears counts as a person for a few seconds.
"""

from parts.measure import Metrics, benchmark_parser, print_metrics
from parts.still_scenes import Scene, scenes

from mien.edge.camera.frame import Frame
from mien.edge.settings import AgentSettings
from mien.edge.vision.factory import open_detector
from mien.edge.vision.held_rows import HeldRows
from mien.edge.vision.pipeline import VisionPipeline
from mien.edge.vision.still_faces import StillFaces
from mien.edge.vision.tracker import Tracker
from mien.model.classifier import Classifier


def count_rows(scene: Scene, duration_s: float, classifier: Classifier) -> tuple[int, float]:
    """The rows of a capture of this length, and the share of its frames with a face, as the agent makes them."""
    settings = AgentSettings(device="phantoms")
    vision = VisionPipeline(settings.faces, detector=open_detector(settings.faces), classifier=classifier)
    stream, tracker = vision.open_stream(), Tracker(settings.reporting)
    still_faces = StillFaces(settings.reporting.still_face_s)
    held_rows: HeldRows[int] = HeldRows(still_faces.is_still, on_skip=lambda count: None)
    rows = frames = frames_with_faces = 0
    for at_s, gray in scene.frames(duration_s):
        summaries = tracker.update(stream.process(Frame(gray, at_s), at_s), at_s)
        visible_faces = tracker.visible_faces()
        still_faces.update(gray, [(track, face.box) for track, face in visible_faces], at_s)
        rows += sum(len(held_rows.add(summary.track, summary.track)) for summary in summaries)
        frames += 1
        frames_with_faces += bool(visible_faces)
    rows += sum(len(held_rows.add(summary.track, summary.track)) for summary in tracker.finish())
    return rows, frames_with_faces / frames


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="of each kind (default: 600)")
    parser.add_argument("--kinds", nargs="+", help="only those whose name begins like one of these")
    options = parser.parse_args()
    classifier = Classifier()
    metrics: Metrics = {"seconds": options.seconds}
    for scene in scenes():
        if options.kinds and not scene.name.startswith(tuple(options.kinds)):
            continue
        rows, found = count_rows(scene, options.seconds, classifier)
        key = scene.name.replace(", ", "_").replace(" ", "_").replace("-", "_")
        metrics[f"{key}_rows"] = rows
        metrics[f"{key}_found"] = round(found, 3)
    print_metrics("rows by kind", metrics, as_json=options.json)


if __name__ == "__main__":
    main()
