"""Pictures of a training and of what a network does: matplotlib figures, nothing shown by itself.

Every function returns a `matplotlib.figure.Figure`. In a notebook it appears when it is a cell's
last value; in a script it is saved with `.savefig("name.png")`. It does not belong to pyplot, so
drawing in a loop leaks nothing; for a pyplot window hand in axes of your own:

    figure, axes = plt.subplots(1, 2)
    plot_history(history, axes=axes)
    plt.show()
"""

from importlib.util import find_spec as _find_spec

from ..configs.extras import needs as _needs
from ..configs.naming import public_names as _public_names
from .boundary import decision_boundary as decision_boundary
from .confusion import confusion_matrix as confusion_matrix
from .figures import COLOURS as COLOURS, new_figure as new_figure
from .gradients import plot_gradients as plot_gradients, plot_histograms as plot_histograms
from .history import plot_history as plot_history
from .images import (
    image_grid as image_grid,
    misclassified as misclassified,
    weight_images as weight_images,
)
from .model import plot_model as plot_model
from .probes import (
    plot_learning_rates as plot_learning_rates,
    plot_loss_surface as plot_loss_surface,
)

with _needs("plot", "tinynet.plotting draws with matplotlib"):
    if _find_spec("matplotlib") is None:  # it is imported by what draws
        raise ImportError("there is no module matplotlib")

__all__ = _public_names(globals())
