import os

os.environ["DJANGO_SETTINGS_MODULE"] = "settings"

from django.core.asgi import get_asgi_application

http = get_asgi_application()  # before what needs the models

from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import re_path

from voice_channels import consumers

application = ProtocolTypeRouter({
    "http": http,
    "websocket": consumers.TokenAuth(URLRouter([
        re_path(r"^ws/voice/(?P<room_name>[^/]+)/$", consumers.VoiceConsumer.as_asgi()),
        re_path(r"^ws/signaling/$", consumers.SignalingConsumer.as_asgi()),
        re_path(r"^ws/notifications/$", consumers.NotificationConsumer.as_asgi()),
    ])),
})
