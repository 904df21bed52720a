"""The calls that switch the lights off: CloudTrail and Config (CIS AWS Foundations 4.5, 4.9), GuardDuty, alarms, logs."""

from __future__ import annotations

from exporter.catalog.spec import EventSpec, ResourcePath, at, generic


def _logging(event_source: str, names: str, *resources: ResourcePath) -> tuple[EventSpec, ...]:
    return generic("logging", event_source, names, *resources)


_CLOUDTRAIL = "cloudtrail.amazonaws.com"
_CONFIG = "config.amazonaws.com"
_GUARDDUTY = "guardduty.amazonaws.com"
_EVENTS = "events.amazonaws.com"
_LOGS = "logs.amazonaws.com"
_SECURITYHUB = "securityhub.amazonaws.com"
_TRAIL = at("AWS::CloudTrail::Trail", "request.name")
_STORE = at("AWS::CloudTrail::EventDataStore", "request.eventDataStore")
_DETECTOR = at("AWS::GuardDuty::Detector", "request.detectorId")
_GROUP = at("AWS::Logs::LogGroup", "request.logGroupName")

LOGGING: tuple[EventSpec, ...] = (
    *_logging(_CLOUDTRAIL, "CreateTrail UpdateTrail DeleteTrail StartLogging StopLogging", _TRAIL),
    *_logging(_CLOUDTRAIL, "PutEventSelectors PutInsightSelectors", at("AWS::CloudTrail::Trail", "request.trailName")),
    *_logging(_CLOUDTRAIL, "DeleteEventDataStore StopEventDataStoreIngestion", _STORE),
    *_logging(
        _CONFIG,
        "StopConfigurationRecorder DeleteConfigurationRecorder",
        at("AWS::Config::ConfigurationRecorder", "request.configurationRecorderName"),
    ),
    *_logging(_CONFIG, "PutConfigurationRecorder", at("AWS::Config::ConfigurationRecorder", "request.configurationRecorder.name")),
    *_logging(_CONFIG, "DeleteDeliveryChannel", at("AWS::Config::DeliveryChannel", "request.deliveryChannelName")),
    *_logging(_CONFIG, "PutDeliveryChannel", at("AWS::Config::DeliveryChannel", "request.deliveryChannel.name")),
    *_logging(_CONFIG, "DeleteConfigRule DeleteRemediationConfiguration", at("AWS::Config::ConfigRule", "request.configRuleName")),
    *_logging(
        _CONFIG,
        "DeleteOrganizationConfigRule",
        at("AWS::Config::OrganizationConfigRule", "request.organizationConfigRuleName"),
    ),
    *_logging(_CONFIG, "DeleteConfigurationAggregator", at("AWS::Config::ConfigurationAggregator", "request.configurationAggregatorName")),
    *_logging(_CONFIG, "DeleteConformancePack", at("AWS::Config::ConformancePack", "request.conformancePackName")),
    *_logging(
        _CONFIG,
        "DeleteOrganizationConformancePack",
        at("AWS::Config::OrganizationConformancePack", "request.organizationConformancePackName"),
    ),
    *_logging(_CONFIG, "DeleteRetentionConfiguration", at("AWS::Config::RetentionConfiguration", "request.retentionConfigurationName")),
    *_logging(
        _GUARDDUTY,
        "DeleteDetector UpdateDetector CreateIPSet UpdateIPSet DisassociateFromAdministratorAccount "
        "DeleteMembers StopMonitoringMembers DisassociateMembers",
        _DETECTOR,
    ),
    *_logging(_EVENTS, "DeleteRule DisableRule PutRule", at("AWS::Events::Rule", "request.name")),
    *_logging(_EVENTS, "RemoveTargets", at("AWS::Events::Rule", "request.rule")),
    *_logging("monitoring.amazonaws.com", "DeleteAlarms", at("AWS::CloudWatch::Alarm", "request.alarmNames")),
    *_logging(_LOGS, "DeleteLogGroup DeleteLogStream DeleteSubscriptionFilter PutRetentionPolicy DeleteMetricFilter", _GROUP),
    *_logging(_SECURITYHUB, "BatchUpdateFindings UpdateFindings"),
    *_logging(_SECURITYHUB, "DeleteInsight", at("AWS::SecurityHub::Insight", "request.insightArn")),
    # Also at the network boundary: without flow logs nobody sees the traffic that a change lets in.
    *_logging("ec2.amazonaws.com", "DeleteFlowLogs", at("AWS::EC2::FlowLog", "request.flowLogId")),
    *_logging("organizations.amazonaws.com", "LeaveOrganization"),
)
